"""Changes members of a JSON object in its bytes, so that everything else stays as it was written, spaces included.

The document must have been parsed before: nothing is checked here, and keys must be unique.
"""

import re
from collections.abc import Mapping
from typing import Final

import orjson

from app.core.exchange import Json

_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\],:]', re.DOTALL)
_STRING_AFTER_KEY: Final = re.compile(rb'[ \t\r\n]*+:[ \t\r\n]*+("[^"\\]*+(?:\\.[^"\\]*+)*+")', re.DOTALL)
_MODEL: Final = b'"model"'
_CLOSERS: Final = b"}]"
_OPENERS: Final = b"{["


def spans(document: bytes) -> dict[str, tuple[int, int]]:
    """Where the values of the object's own members are: name to start and end, the space around them included."""
    found: dict[str, tuple[int, int]] = {}
    depth, key, name, start = 0, b'""', "", 0
    for token in _TOKEN.finditer(document):
        first = document[token.start()]
        if first in _OPENERS:
            depth += 1
        elif depth == 1 and first == 0x22:
            key = token[0]
        elif depth == 1 and first == 0x3A:
            name, start = orjson.loads(key), token.end()
        elif first in _CLOSERS:
            depth -= 1
        if (depth == 1 and first == 0x2C) or (depth == 0 and first in _CLOSERS and start):
            found[name] = (start, token.start())
    return found


def with_members(document: bytes, members: Mapping[str, Json]) -> bytes:
    """The object with these members: values are replaced where they are, new members are put last."""
    where = spans(document)
    for name in sorted(where.keys() & members.keys(), key=lambda name: where[name], reverse=True):
        start, end = where[name]
        document = document[:start] + orjson.dumps(members[name]) + document[end:]
    added = {name: value for name, value in members.items() if name not in where}
    if not added:
        return document
    end = document.rindex(b"}")
    comma = b"," if where else b""
    return document[:end] + comma + orjson.dumps(added)[1:]


def with_model(document: bytes, model: bytes) -> bytes:
    """The object with another `model`, given as JSON; where it has none that is a string, the object as it is.

    Where `model` stands in the bytes once, it is taken for the object's own: within a JSON string its quotes would be
    escaped.
    """
    at = document.find(_MODEL)
    if at < 0 and b"\\u" not in document:
        return document
    if at >= 0 and document.find(_MODEL, at + 7) < 0 and b"\\u" not in document:
        match = _STRING_AFTER_KEY.match(document, at + 7)
        return document if match is None else document[: match.start(1)] + model + document[match.end(1) :]
    span = spans(document).get("model")
    if span is None or not document[span[0] : span[1]].strip().startswith(b'"'):
        return document
    return document[: span[0]] + model + document[span[1] :]
