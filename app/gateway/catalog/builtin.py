"""The YAML that comes with the package: the starter catalog, and presets of known vendors."""

from collections.abc import Mapping
from importlib import resources

from app.gateway.catalog.yaml import Value, read


def starter() -> str:
    """The catalog of a new installation, as YAML."""
    return _text("starter.yaml")


def presets() -> Mapping[str, Value]:
    """What `preset: NAME` of a vendor stands for."""
    document, _ = read(_text("presets.yaml"), format="yaml")
    assert isinstance(document, dict)
    return document


def _text(name: str) -> str:
    return (resources.files("app") / name).read_text("utf-8")
