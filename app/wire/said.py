"""What a client said, wherever in its JSON it said it: every accepted place and spelling of a field, compared.

Knows nothing about pictures: which places there are is told by a Scope.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from app.core.errors import InvalidRequest
from app.core.exchange import Json
from app.core.image import Warning

WARNINGS_MAX: Final = 32
"""How many unknown or ignored keys are told one by one; a body may hold 100,000."""

KEYS_MAX: Final = 2_000
"""Of one object: far more than there are known ones, and few enough to look at each (fault-cases B20)."""

KEY_CHARS_MAX: Final = 100
"""How much of a client's key a message repeats."""

T = TypeVar("T")

_HUMP = re.compile(r"(?<=[a-z0-9])[A-Z]")
_VALUE_CHARS_MAX: Final = 60


class Refused(ValueError):
    """A value that its field does not take. The text continues a sentence: "must be a whole number"."""


@dataclass(frozen=True, slots=True)
class Scope:
    """One kind of JSON object, keys in snake_case; a client may write them in camelCase.

    `fields` tells which canonical field a key means, `scopes` which object lies under a key. `ignored` keys are known
    and do nothing here, which is reported; `elsewhere` keys are read by somebody else. `listed`: an array of such
    objects is fine too.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    scopes: Mapping[str, "Scope"] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    elsewhere: frozenset[str] = frozenset()
    listed: bool = False


class Said:
    """Everything a body says about known fields, null being nothing said, and warnings about all other keys."""

    def __init__(self, body: Mapping[str, Json], scope: Scope) -> None:
        self._said: dict[str, list[tuple[str, Json]]] = {}
        self._warnings: list[Warning] = []
        self._unreported = 0
        self._collect(body, scope, "")

    @property
    def warnings(self) -> tuple[Warning, ...]:
        """What was not understood or does nothing, the first of them one by one."""
        if not self._unreported:
            return tuple(self._warnings)
        rest = Warning("unknown_parameter", None, f"{self._unreported} more parameters were not used.")
        return (*self._warnings, rest)

    def one(self, name: str, read: Callable[[Json], T | None]) -> T | None:
        """What was said about a field, as `read` understands it; None when nothing was.

        Raises:
            InvalidRequest: `read` refused a value (naming its place), or two places disagree (naming both).
        """
        first: tuple[str, T] | None = None
        for path, value in self._said.get(name, ()):
            try:
                meant = read(value)
            except Refused as refusal:
                raise InvalidRequest(f"'{path}' {refusal}, not {shown(value)}.", param=path) from None
            if meant is None:
                continue
            if first is None:
                first = (path, meant)
            elif first[1] != meant:
                raise InvalidRequest(
                    f"'{first[0]}' says {shown(first[1])}, but '{path}' says {shown(meant)}.",
                    code="conflicting_parameters",
                    param=name,
                )
        return first[1] if first else None

    def _collect(self, body: Mapping[str, Json], scope: Scope, prefix: str) -> None:
        demand_few_keys(body, prefix[:-1] or None)
        for key, value in body.items():
            if value is None:
                continue
            name, path = snake(key), prefix + key[:KEY_CHARS_MAX]
            if name in scope.fields:
                self._said.setdefault(scope.fields[name], []).append((path, value))
            elif name in scope.scopes:
                self._enter(value, scope.scopes[name], path)
            elif name in scope.ignored:
                self._warn(ignored(path))
            elif name not in scope.elsewhere:
                self._warn(unknown_parameter(path))

    def _enter(self, value: Json, scope: Scope, path: str) -> None:
        if scope.listed and isinstance(value, list):
            inside = [(item, f"{path}[{index}]") for index, item in enumerate(value)]
        else:
            inside = [(value, path)]
        for item, place in inside:
            if not isinstance(item, dict):
                raise InvalidRequest(f"'{place}' must be an object, not {shown(item)}.", param=place)
            self._collect(item, scope, place + ".")

    def _warn(self, warning: Warning) -> None:
        if len(self._warnings) < WARNINGS_MAX:
            self._warnings.append(warning)
        else:
            self._unreported += 1


def demand_few_keys(value: Mapping[str, Json], param: str | None) -> None:
    """Raises: InvalidRequest."""
    if len(value) > KEYS_MAX:
        raise InvalidRequest(f"At most {KEYS_MAX} keys are allowed in an object.", param=param)


def ignored(path: str) -> Warning:
    """The warning about a key that is known and does nothing for pictures."""
    return Warning("ignored", path, f"'{path}' does not apply to pictures.")


def unknown_parameter(path: str) -> Warning:
    """The warning about a key that nobody reads."""
    return Warning("unknown_parameter", path, f"'{path}' is not a known parameter.")


def snake(key: str) -> str:
    """A key in snake_case, whichever way it was written; nothing else about it is changed."""
    if key.islower():
        return key[:KEY_CHARS_MAX]
    return _HUMP.sub(lambda hump: "_" + hump[0].lower(), key[:KEY_CHARS_MAX])


def shown(value: object) -> str:
    """A value as an error message names it: short, and never the content of an object."""
    match value:
        case dict():
            return "an object"
        case list():
            return "an array"
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return repr(value if len(value) <= _VALUE_CHARS_MAX else value[:_VALUE_CHARS_MAX] + "…")
        case _:
            return str(value)[:_VALUE_CHARS_MAX]
