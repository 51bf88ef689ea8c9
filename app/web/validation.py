"""Turns what pydantic finds wrong with a body, a query or a path into the one error that a client is told."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.core.errors import ClientError, InvalidRequest, NotFound

_CODES: Final = {"extra_forbidden": "unsupported_parameter", "missing": "missing_required_parameter"}
_PROSE: Final = {"extra_forbidden": "is not a known field.", "missing": "is required."}
_SHOWN_CHARS: Final = 64


def request_error(problems: Sequence[Mapping[str, Any]]) -> ClientError:
    """The error for what FastAPI found wrong. An id in the path that cannot be one names nothing: NotFound."""
    where, *place = problems[0]["loc"]
    if where == "path":
        return NotFound("There is nothing with this id.")
    return _error(problems[0], place)


def body_error(problems: Sequence[Mapping[str, Any]]) -> InvalidRequest:
    """The error for the first of a body's `ValidationError.errors()`."""
    return _error(problems[0], problems[0]["loc"])


def _error(problem: Mapping[str, Any], place: Sequence[str | int]) -> InvalidRequest:
    """Its field as `param`, and what that must be as message; never its value."""
    kind, param = problem["type"], _spell(place)
    subject = repr(param) if param else "The body"
    message = _PROSE.get(kind) or _sentence(problem["msg"])
    return InvalidRequest(f"{subject} {message}", code=_CODES.get(kind), param=param or None)


def _spell(place: Sequence[str | int]) -> str:
    """`("budget", "units")` is `budget.units`. A name that a client made up is shown in part."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Input should be", "must be", 1)
    text = text.replace("String should", "should", 1).replace("List should", "should", 1)
    return text.rstrip(".") + "."
