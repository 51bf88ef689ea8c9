"""What a log line may say. Nothing in a value can make a second line or move a terminal's cursor, nothing is endless,
and an exception tells where it happened, but its words only if they cannot repeat what somebody sent (case H100).
"""

import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Final

from structlog.typing import EventDict, WrappedLogger

from app.core.errors import GatewayError

VALUE_CHARS_MAX: Final = 1_000
ITEMS_MAX: Final = 50
FRAMES_MAX: Final = 12
CHAIN_MAX: Final = 4

_SAFE_WORDS: Final = (TypeError, AttributeError, NameError, AssertionError, ImportError, OSError, GatewayError)
"""Exceptions whose message is made by code. Of others, such as ValueError and the database's, it may hold what a client
sent: a prompt, a key.
"""


def safe(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A processor: every value as it may be written; `exc_info` becomes `exception`."""
    raised = event.pop("exc_info", None)
    for key, value in event.items():
        if type(value) is not str or len(value) > VALUE_CHARS_MAX or not value.isprintable():
            event[key] = _plain(value)
    if raised:
        event["exception"] = [line for error in _chain(raised) for line in _lines(error)]
    return event


def first_line(logger: WrappedLogger, name: str, event: EventDict) -> EventDict:
    """A processor for libraries' logs: what follows the first line are objects' reprs, which may hold anything."""
    event["event"] = str(event["event"]).partition("\n")[0]
    return event


def _plain(value: object) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case list() | tuple():
            return [_plain(item) for item in value[:ITEMS_MAX]]
        case dict():
            return {_printable(str(key)): _plain(item) for key, item in list(value.items())[:ITEMS_MAX]}
        case _:
            return _printable(str(value))


def _printable(text: str) -> str:
    text = text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _chain(raised: object) -> Iterator[BaseException]:
    """An exception and what it came from, the outermost first."""
    if isinstance(raised, tuple):
        raised = raised[1]
    error = raised if isinstance(raised, BaseException) else sys.exception()
    for _ in range(CHAIN_MAX):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _lines(error: BaseException) -> Iterator[str]:
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    yield _printable(f"{kind}: {error}") if isinstance(error, _SAFE_WORDS) else kind
    yield from _frames(error.__traceback__)


def _frames(trace: TracebackType | None) -> list[str]:
    places = [
        f"  {'/'.join(frame.f_code.co_filename.split('/')[-3:])}:{line} {frame.f_code.co_qualname}"
        for frame, line in traceback.walk_tb(trace)
    ]
    return places[-FRAMES_MAX:]
