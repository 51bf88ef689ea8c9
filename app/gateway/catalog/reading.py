"""Reads a plain document into its parts, each by itself, so that one mistake does not hide the next."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from app.gateway.catalog.document import Document, FamilyPart, ModelPart, VendorPart
from app.gateway.catalog.findings import Findings, Path
from app.gateway.catalog.yaml import Value

_SECTIONS: Final = ("version", "currency", "vendors", "models", "families")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SUBJECT = re.compile(r"^(?:Input|List|String|Dictionary) should ")
_CURRENCY = re.compile(r"[A-Z]{3}")
_PROSE: Final = {"extra_forbidden": "is not a known field", "missing": "is required"}

_Part = TypeVar("_Part", bound=BaseModel)
_Key = TypeVar("_Key", bound=str | int)


def read_document(value: Value, presets: Mapping[str, Value], findings: Findings) -> Document:
    """The parts of a document that can be read; what is wrong with the others goes to `findings`."""
    top = _mapping(value, (), findings)
    for key in top:
        if key not in _SECTIONS:
            findings.add((key,), f"is not a known field; known are {', '.join(_SECTIONS)}")
    if top.get("version") != 1 or top["version"] is True:
        findings.add(("version",), "must be 1")
    vendors = {
        name: _over_preset(raw, name, presets, findings) for name, raw in _section(top, "vendors", findings).items()
    }
    families = _section(top, "families", findings)
    models = dict(enumerate(_sequence(top.get("models", []), ("models",), findings)))
    return Document(
        currency=_currency(top.get("currency", "USD"), findings),
        vendors=_parts(VendorPart, "vendors", vendors, findings),
        models=_parts(ModelPart, "models", models, findings),
        families=_parts(FamilyPart, "families", families, findings),
        vendor_names=frozenset(vendors),
        model_ids=frozenset(str(raw.get("id")) for raw in models.values() if isinstance(raw, dict)),
        family_names=frozenset(families),
    )


def _section(top: Mapping[str, Value], section: str, findings: Findings) -> Mapping[str, Value]:
    named = _mapping(top.get(section, {}), (section,), findings)
    for name in named:
        if not _NAME.fullmatch(name):
            findings.add((section, name), "must be named with letters, digits and . _ -, at most 64")
    return named


def _over_preset(raw: Value, name: str, presets: Mapping[str, Value], findings: Findings) -> Value:
    """A vendor as if it had written its preset's fields itself; options are laid over the preset's one by one."""
    if not isinstance(raw, dict) or "preset" not in raw:
        return raw
    preset = presets.get(str(raw["preset"]))
    if not isinstance(preset, dict):
        findings.add(("vendors", name, "preset"), f"is not a known preset; known are {', '.join(presets)}")
        return None
    merged = preset | {key: value for key, value in raw.items() if key != "preset"}
    theirs, ours = preset.get("options"), raw.get("options")
    if isinstance(theirs, dict) and isinstance(ours, dict):
        merged["options"] = theirs | ours
    return merged


def _parts(part: type[_Part], section: str, raw: Mapping[_Key, Value], findings: Findings) -> dict[_Key, _Part]:
    parts: dict[_Key, _Part] = {}
    for key, value in raw.items():
        if value is None and not findings.untouched((section, key)):
            continue  # its preset is unknown, which has been told
        try:
            parts[key] = part.model_validate(value)
        except ValidationError as error:
            for detail in error.errors():
                findings.add((section, key, *detail["loc"]), _prose(detail["type"], detail["msg"]))
    return parts


def _prose(kind: str, message: str) -> str:
    message = _SUBJECT.sub("must ", message.removeprefix("Value error, "))
    return _PROSE.get(kind, message)


def _currency(value: Value, findings: Findings) -> str:
    if isinstance(value, str) and _CURRENCY.fullmatch(value):
        return value
    findings.add(("currency",), "must be three capital letters, such as USD")
    return ""


def _mapping(value: Value, path: Path, findings: Findings) -> Mapping[str, Value]:
    if isinstance(value, dict):
        return value
    findings.add(path, "must be a mapping of names to values")
    return {}


def _sequence(value: Value, path: Path, findings: Findings) -> Sequence[Value]:
    if isinstance(value, list):
        return value
    findings.add(path, "must be a list")
    return []
