"""A setting that nothing reads is a promise that nobody keeps."""

import ast

from app.settings import Settings
from tests.house.repository import ROOT, python_files, tree


def read_settings_of_process() -> set[str]:
    """Every `settings.NAME` where settings may be read, and `self.NAME` in the settings' own properties."""
    files = [*python_files("app/wiring", "app/cli", "app/settings"), ROOT / "app/main.py"]
    return {
        node.attr
        for path in files
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("settings", "self")
    }


def test_every_setting_is_read() -> None:
    assert set(Settings.model_fields) - read_settings_of_process() == set()
