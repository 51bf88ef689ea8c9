"""A form's fields as the JSON they stand for: SDKs flatten nested values into bracketed names (wire-facts 1.3)."""

import re
from collections.abc import Iterable
from typing import Final

from app.core.errors import InvalidRequest
from app.core.exchange import Json

DEPTH_MAX: Final = 8

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_KEY = re.compile(r"\[([^\[\]]*)\]")


def unbracket(fields: Iterable[tuple[str, str]]) -> dict[str, Json]:
    """The object that a form's text fields spell: `a[b][c]` is nested, `a[]` and `a[0]` are arrays, values stay texts.

    A plain name that comes twice is an array too, so that its reader sees both and refuses what it cannot join.

    Raises:
        InvalidRequest: names that contradict each other, or are nested too deep.
    """
    body: dict[str, Json] = {}
    for name, value in fields:
        match = _NAME.fullmatch(name)
        keys = [match[1], *_KEY.findall(match[2])] if match else [name]
        if len(keys) > DEPTH_MAX:
            raise InvalidRequest(f"The field name is nested deeper than {DEPTH_MAX}.", param=keys[0])
        if len(keys) > 1 and (keys[-1] == "" or keys[-1].isdigit()):
            _put(body, keys[:-1], [value])
        else:
            _put(body, keys, value)
    return body


def _put(body: dict[str, Json], keys: list[str], value: Json) -> None:
    for key in keys[:-1]:
        inner = body.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InvalidRequest(f"'{keys[0]}' is given both as a value and as an object.", param=keys[0])
        body = inner
    held = body.get(keys[-1])
    if held is None:
        body[keys[-1]] = value
    elif isinstance(held, dict):
        raise InvalidRequest(f"'{keys[0]}' is given both as a value and as an object.", param=keys[0])
    else:
        body[keys[-1]] = _listed(held) + _listed(value)


def _listed(value: Json) -> list[Json]:
    return value if isinstance(value, list) else [value]
