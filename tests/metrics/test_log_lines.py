"""What any line may say, ours or a library's (H100)."""

from typing import Any

import pytest
import structlog

from app.cli.log_lines import FRAMES_MAX, ITEMS_MAX, VALUE_CHARS_MAX, first_line, safe
from app.core.errors import InvalidRequest

LOGGER = structlog.PrintLogger()


def line(**event: Any) -> dict[str, Any]:
    return dict(safe(LOGGER, "info", event))


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except type(error) as caught:
        return caught


def test_no_value_can_end_a_line_or_move_a_cursor() -> None:
    said = line(event="x\ny", name="a\r\x1b[31m\x9b\u2028b", items=["\x00", {"k\n": "\x7f"}])
    assert said == {"event": "x\\ny", "name": "a\\r\\x1b[31m\\x9b\\u2028b", "items": ["\\x00", {"k\\n": "\\x7f"}]}


def test_words_of_any_language_stay_as_they_are() -> None:
    assert line(event="Füchse 狐 🦊") == {"event": "Füchse 狐 🦊"}


def test_nothing_is_endless() -> None:
    said = line(event="e", text="a" * 2**20, many=["b"] * 10_000)
    assert len(said["text"]) == VALUE_CHARS_MAX + 1
    assert len(said["many"]) == ITEMS_MAX


def test_numbers_stay_numbers_and_objects_become_text() -> None:
    assert line(event="e", n=1, x=0.5, yes=True, none=None, path=ValueError) == {
        "event": "e",
        "n": 1,
        "x": 0.5,
        "yes": True,
        "none": None,
        "path": "<class 'ValueError'>",
    }


def test_an_exception_tells_where_it_was_raised_and_what_caused_it() -> None:
    told = line(event="e", exc_info=raised(TypeError("no such operand"), raised(KeyError("a prompt"))))["exception"]
    assert told[0] == "TypeError: no such operand"
    assert told[1].startswith("  tests/metrics/test_log_lines.py:")
    assert told[2] == "KeyError"
    assert "exc_info" not in line(event="e", exc_info=raised(TypeError("x")))


def test_an_exceptions_words_are_left_out_where_they_may_repeat_what_was_sent() -> None:
    for error in (ValueError("canary"), KeyError("canary"), UnicodeError("canary"), RuntimeError("canary")):
        assert "canary" not in str(line(event="e", exc_info=raised(error)))
    assert "nearly" in str(line(event="e", exc_info=raised(InvalidRequest("nearly"))))


def test_an_exceptions_frames_are_the_innermost_ones() -> None:
    def deep(left: int) -> None:
        if not left:
            raise TypeError("here")
        deep(left - 1)

    with pytest.raises(TypeError) as caught:
        deep(100)
    told = line(event="e", exc_info=caught.value)["exception"]
    assert len(told) == FRAMES_MAX + 1
    assert told[-1].endswith("deep")


def test_of_a_librarys_message_only_the_first_line_is_kept() -> None:
    """asyncio puts the repr of an exception into the second."""
    event = "Task exception was never retrieved\nfuture: <Task exception=ValueError('canary')>"
    assert first_line(LOGGER, "error", {"event": event}) == {"event": "Task exception was never retrieved"}
