"""The example of the environment says what the settings are: their names, their defaults, and what they are for."""

import re
from typing import Final

from pydantic.fields import FieldInfo

from app.settings import PREFIX, Settings
from tests.house.repository import ROOT, text

_ENTRY: Final = re.compile(r"((?:^# .*\n)*)^#([A-Z][A-Z0-9_]+)=(.*)$", re.MULTILINE)
_ENTRIES: Final = {name: (comment, value) for comment, name, value in _ENTRY.findall(text(".env.example"))}
_SETTINGS: Final = {PREFIX + name.upper(): field for name, field in Settings.model_fields.items()}


def test_the_example_names_every_setting_and_no_other() -> None:
    assert {name for name in _ENTRIES if name.startswith(PREFIX)} == set(_SETTINGS)


def test_the_example_explains_each_setting_in_the_settings_own_words() -> None:
    explained = {name: " ".join(_ENTRIES[name][0].replace("# ", " ").split()) for name in _SETTINGS}
    assert explained == {name: field.description for name, field in _SETTINGS.items()}


def test_the_example_shows_each_default() -> None:
    assert {name: shown for name, field in _SETTINGS.items() if not _shows(shown := _ENTRIES[name][1], field)} == {}


def test_the_example_names_every_key_that_a_catalog_of_ours_asks_for() -> None:
    asked = {
        name for path in (ROOT / "app").rglob("*.yaml") for name in re.findall(r"env:(\w+)", path.read_text("utf-8"))
    }
    assert asked - set(_ENTRIES) == set()


def _shows(shown: str, field: FieldInfo) -> bool:
    if field.default_factory or field.default in (None, ()):
        return shown == ""
    if isinstance(field.default, bool):
        return shown == str(field.default).lower()
    return bool(type(field.default)(shown) == field.default)
