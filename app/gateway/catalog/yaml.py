"""Strict YAML and JSON: plain values with their lines, and nothing that surprises.

Refused: duplicate keys, aliases, tags, more than one document, and documents that are too large or too deep. Plain
scalars follow YAML 1.2: `NO` and `9:16` are texts, as are dates.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, Literal

import yaml

from app.core.errors import InvalidRequest
from app.gateway.catalog.findings import CatalogInvalid, Finding, Lines, Path, spell
from app.wire import strict_json

Format = Literal["yaml", "json"]
Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 16

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[0-9]+[eE][-+]?[0-9]+)")

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read(text: str | bytes, *, format: Format) -> tuple[Value, Lines]:  # noqa: A002 -- the word operators know it by
    """The document, and the line of every value in it (none for JSON).

    Raises:
        CatalogInvalid: not UTF-8, not well-formed, or one of the things this module refuses.
    """
    text = _decoded(text)
    return (_read_json(text), {}) if format == "json" else _YamlReader(text).document()


def write(document: Value) -> str:
    """A document as YAML that `read` reads back to the same values."""
    written: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return written


def _decoded(text: str | bytes) -> str:
    try:
        encoded = text.encode() if isinstance(text, str) else text
        if len(encoded) > MAX_BYTES:
            raise _invalid(f"is larger than {MAX_BYTES} bytes")
        return encoded.decode("utf-8-sig")
    except UnicodeError:
        raise _invalid("is not UTF-8") from None


def _read_json(text: str) -> Value:
    try:
        document: Value = strict_json.loads(text.encode(), max_depth=MAX_DEPTH)
    except InvalidRequest as error:
        raise _invalid(error.message) from None
    return document


class _YamlReader:
    """Builds plain values from the parser's events, so that nothing is expanded before it is judged."""

    def __init__(self, text: str) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._lines: dict[Path, int] = {}

    def document(self) -> tuple[Value, Lines]:
        try:
            next(self._events)  # the stream's start
            if isinstance(next(self._events), yaml.StreamEndEvent):
                raise _invalid("is empty")
            document = self._value(next(self._events), ())
            next(self._events)  # the document's end
            if not isinstance(event := next(self._events), yaml.StreamEndEvent):
                raise _invalid("holds a second document", line=_line(event))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            raise _invalid(f"is not YAML: {error.problem}", line=mark.line + 1 if mark else None) from None
        except yaml.YAMLError:
            raise _invalid("is not YAML: it holds control characters") from None
        return document, self._lines

    def _value(self, event: Any, path: Path) -> Value:
        line = _line(event)
        self._lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent):
            raise _invalid("aliases (*name) are not allowed", path, line)
        if event.tag is not None:
            raise _invalid("tags (!name) are not allowed", path, line)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event.value) if event.implicit[0] else str(event.value)
        if len(path) >= MAX_DEPTH:
            raise _invalid(f"is nested deeper than {MAX_DEPTH}", path, line)
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: Path) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise _invalid("keys must be plain texts", path, line)
            key = event.value
            if key in mapping:
                first = self._lines[(*path, key)]
                raise _invalid(f"the key {key!r} is written twice, first in line {first}", path, line)
            self._lines[(*path, key)] = line
            mapping[key] = self._value(next(self._events), (*path, key))
        return mapping

    def _sequence(self, path: Path) -> list[Value]:
        sequence: list[Value] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            sequence.append(self._value(event, (*path, len(sequence))))
        return sequence


class _Dumper(yaml.SafeDumper):
    """Quotes every text that `read` would take for another value, or that would be folded."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    plain = _scalar(text) == text and text.isprintable()
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)


def _scalar(text: str) -> str | int | float | bool | None:
    """A plain scalar's value in YAML 1.2's core schema; octal, hexadecimal, infinity and nan are texts here."""
    if _NULL.fullmatch(text):
        return None
    if match := _BOOL.fullmatch(text):
        return match[1] is not None
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _invalid(message: str, path: Path = (), line: int | None = None) -> CatalogInvalid:
    return CatalogInvalid([Finding(spell(path), line, message)])
