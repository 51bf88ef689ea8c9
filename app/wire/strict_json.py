"""Clients' JSON, read strictly: what parsers disagree about is refused, so that nobody after us reads another document.

Size, depth and number of values are judged on the bytes before anything is parsed: a hostile body costs a few passes
of bytes methods.
"""

import json
import re
from typing import Any, Final, NoReturn

import orjson

from app.core.errors import InvalidRequest

JsonValue = Any
"""None, bool, int, float, str, list or dict, as orjson reads them."""

MAX_DEPTH: Final = 64
MAX_VALUES: Final = 100_000
MAX_INTEGER: Final = 2**63 - 1

_WHITESPACE: Final = b" \t\r\n"
_BOM: Final = b"\xef\xbb\xbf"
_ONE_BRACKET: Final = bytes.maketrans(b"{}", b"[]")
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"[]{}")
_ONE_DIGIT: Final = bytes.maketrans(b"123456789E", b"000000000e")
_NUMBER: Final = re.compile(rb"[-+.0-9eE]+")
_NONZERO_MANTISSA: Final = re.compile(rb"-?[0.]*+[1-9]")
_MAX_NUMBER_CHARS: Final = 400
_MEAN_VALUE_CHARS: Final = 32
_SHOWN_KEY_CHARS: Final = 64


def loads(data: bytes, *, max_depth: int = MAX_DEPTH, max_values: int = MAX_VALUES) -> JsonValue:
    """The value of a JSON document in UTF-8.

    Raises InvalidRequest (`invalid_json`) for what is not JSON, for duplicate keys, numbers that do not fit (integers
    beyond ±(2^63 - 1), floats that become infinite or zero, minus zero), lone surrogates, NUL, more than `max_depth`
    levels of brackets or more than `max_values` values (fault-cases B16-B24, M8).
    """
    if data.startswith(_BOM):
        _refuse("The body starts with a byte order mark; send UTF-8 without one.")
    escaped = b"\\" in data
    plain = data.replace(b"\\\\", b"") if escaped else data
    if escaped and b"\\u0000" in plain:
        _refuse("The body contains a NUL character.")
    skeleton = _without_strings(plain.replace(b'\\"', b"") if escaped else plain, max_values)
    _check_counts(skeleton, max_values)
    _check_depth(skeleton, max_depth)
    _check_numbers(skeleton)
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _invalid("The body is not valid JSON in UTF-8.") from error
    if _count_keys(value) != skeleton.count(b":"):
        _refuse_duplicate_key(data)
    return value


def dumps(value: JsonValue) -> bytes:
    """Compact JSON in UTF-8; NaN and infinity become null, so that what is written is always JSON."""
    return orjson.dumps(value)


def _without_strings(plain: bytes, max_values: int) -> bytes:
    """The document (escapes of quotes and backslashes already taken out) with strings as one quote, no whitespace."""
    if plain.count(b'"') > 4 * max_values:  # A value takes at most four: its key's and its own.
        _refuse_many(max_values)
    return b'"'.join(plain.split(b'"')[::2]).translate(None, _WHITESPACE)


def _check_counts(skeleton: bytes, max_values: int) -> None:
    """Counts values, exactly where the document is JSON: one per comma, one per container that is not empty."""
    if len(skeleton) > _MEAN_VALUE_CHARS * max_values + _MAX_NUMBER_CHARS:
        _refuse("The body has too much outside its strings.")
    containers = skeleton.count(b"[") + skeleton.count(b"{")
    values = 1 + skeleton.count(b",") + containers - skeleton.count(b"[]") - skeleton.count(b"{}")
    if values > max_values or containers > max_values:
        _refuse_many(max_values)


def _check_depth(skeleton: bytes, max_depth: int) -> None:
    """Takes away the innermost brackets once per level; what is left is deeper than allowed, or does not match."""
    brackets = skeleton.translate(_ONE_BRACKET, _NOT_BRACKETS)
    for _ in range(max_depth):
        if not brackets:
            return
        brackets = brackets.replace(b"[]", b"")
    if brackets:
        _refuse(f"The body is not valid JSON, or it is nested deeper than {max_depth} levels.")


def _check_numbers(skeleton: bytes) -> None:
    """Refuses each number that would not be read as what was written; malformed ones are left to the parser."""
    digits = skeleton.translate(_ONE_DIGIT)
    if not (b"-0" in skeleton or b"0e" in digits or b"0" * 19 in digits):
        return
    for number in _NUMBER.findall(skeleton):
        if len(number) > _MAX_NUMBER_CHARS or not _fits(number):
            _refuse("The body contains a number that is out of range.")


def _fits(number: bytes) -> bool:
    try:
        if number.lstrip(b"-").isdigit():
            return abs(int(number)) <= MAX_INTEGER and number != b"-0"
        value = float(number)
    except ValueError:
        return True
    if value == 0:
        return not number.startswith(b"-") and not _NONZERO_MANTISSA.match(number)
    return abs(value) != float("inf")


def _count_keys(value: JsonValue) -> int:
    """How many members the objects of a parsed document have, in all; each duplicate in the text is missing here."""
    keys = 0
    waiting = [value]
    while waiting:
        container = waiting.pop()
        if type(container) is dict:
            keys += len(container)
            waiting += container.values()
        elif type(container) is list:
            waiting += container
    return keys


def _refuse_duplicate_key(data: bytes) -> NoReturn:
    """Reads the document again, slowly, to name the key. Its depth and size have been checked."""

    def unique(members: list[tuple[str, JsonValue]]) -> None:
        seen: set[str] = set()
        for key, _ in members:
            if key in seen:
                shown = key if len(key) <= _SHOWN_KEY_CHARS else key[:_SHOWN_KEY_CHARS] + "…"
                raise _invalid(f"The key {shown!r} occurs twice in one object.", param=shown)
            seen.add(key)

    json.loads(data, object_pairs_hook=unique)
    raise AssertionError("a key was counted twice but not found twice")


def _invalid(message: str, *, param: str | None = None) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_json", param=param)


def _refuse(message: str) -> NoReturn:
    raise _invalid(message)


def _refuse_many(max_values: int) -> NoReturn:
    _refuse(f"The body has more than {max_values} values.")
