"""Server-sent events on bytes: cut a stream into events, read an event, write one. No JSON, no text decoding, no I/O.

Lines end in LF, CRLF or CR only (WHATWG HTML, "Server-sent events"); `str.splitlines` also splits on U+2028, which is
legal inside JSON (wire-facts 2.3).
"""

import re
from dataclasses import dataclass
from typing import Final

from app.core.errors import BadUpstream

COMMENT_KEEPALIVE: Final = b": keep-alive\n\n"
"""What is sent to a waiting client of the OpenAI surfaces; google-genai refuses comments (wire-facts 4.7)."""

MAX_EVENT_BYTES: Final = 40 * 2**20
"""The largest event by default: a 20 MB picture inline is 27 MB of base64 (fault-cases section 5)."""

_BOM: Final = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LINE_AT_START = re.compile(rb"(?::[^\r\n]*+)?(?>\r\n|\n|\r)")
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_FIRST_BYTES = re.compile(rb"(?:\xef\xbb\xbf)?[\r\n]*(?:data|event|id|retry)?:")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its `data` lines joined by LF, and what this event itself said as its name and id (None: not said)."""

    data: bytes
    event: str | None = None
    id: str | None = None


class SseEventTooLarge(BadUpstream):
    """An event grew past its limit before it ended (fault-cases F72)."""

    def __init__(self, max_event_bytes: int) -> None:
        super().__init__(
            f"The upstream sent an event larger than {max_event_bytes} bytes.", code="upstream_invalid_response"
        )


class SseSplitter:
    """Cuts a byte stream into blocks, each one whole event with its blank line; joined, they are the stream.

    A comment or blank line at the start of a block is a block of its own, so that keep-alives go on at once and an
    endless row of them takes no memory.
    """

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._held = bytearray()
        self._scanned = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """The blocks that this chunk completes; raises SseEventTooLarge."""
        blocks: list[bytes] = []
        if self._held:
            chunk = self._finish_held(chunk, blocks)
        if _has_only_plain_events(chunk):
            *plain, rest = chunk.split(b"\n\n")
            blocks += [block + b"\n\n" for block in plain]
        else:
            start = 0
            while (end := _block_end(chunk, start, start)) is not None:
                blocks.append(chunk[start:end])
                start = end
            rest = chunk[start:]
        self._hold(rest)
        if any(len(block) > self._max_event_bytes for block in blocks):
            raise SseEventTooLarge(self._max_event_bytes)
        return blocks

    def close(self) -> list[bytes]:
        """What was left without a blank line: some vendors end their streams so (wire-facts 2.3)."""
        rest = bytes(self._held)
        self._held.clear()
        return [rest] if rest else []

    def _finish_held(self, chunk: bytes, blocks: list[bytes]) -> bytes:
        """Adds the chunk to the block begun before; returns what is left of the chunk after that block's end."""
        held_bytes = len(self._held)
        self._held += chunk
        end = _block_end(self._held, 0, self._scanned)
        if end is None:
            self._hold(b"")
            return b""
        blocks.append(bytes(self._held[:end]))
        self._held.clear()
        return chunk[end - held_bytes :]

    def _hold(self, rest: bytes) -> None:
        self._held += rest
        self._scanned = max(0, len(self._held) - 3)  # Two line ends of two bytes each may be cut after the third.
        if len(self._held) > self._max_event_bytes:
            raise SseEventTooLarge(self._max_event_bytes)


class SseParser:
    """Reads events out of a byte stream, as tolerantly as WHATWG asks and as vendors need."""

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = SseSplitter(max_event_bytes=max_event_bytes)
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that this chunk completes; raises SseEventTooLarge."""
        return self._parse(self._splitter.feed(chunk))

    def close(self) -> list[Event]:
        """The last event, when the stream ended without a blank line after it."""
        return self._parse(self._splitter.close())

    def _parse(self, blocks: list[bytes]) -> list[Event]:
        if blocks and self._at_start:
            blocks[0] = blocks[0].removeprefix(_BOM)
            self._at_start = False
        return [event for block in blocks if (event := parse_event(block)) is not None]


def parse_event(block: bytes) -> Event | None:
    """The event in one block of an SseSplitter; None when it has no `data` line (comments, a bare `event: ping`)."""
    data: list[bytes] = []
    name = event_id = None
    for line in _LINE_END.split(block) if b"\r" in block else block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            event_id = value.decode("utf-8", "replace")
    return Event(b"\n".join(data), name or None, event_id) if data else None


def looks_like_sse(first_bytes: bytes) -> bool:
    """Whether a body that is not declared as SSE is one: vendors answer SSE unasked (wire-facts section 5, row 20)."""
    return _FIRST_BYTES.match(first_bytes) is not None


def event(data: bytes, *, name: str | None = None) -> bytes:
    """The bytes of one event; every line of `data` gets its own `data:`."""
    lines = _LINE_END.split(data) if b"\n" in data or b"\r" in data else [data]
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def _has_only_plain_events(chunk: bytes) -> bool:
    """Whether a split at LF LF cuts the chunk rightly: no CR, no comment or blank line where a block begins."""
    return chunk[:1] not in b":\n" and b"\r" not in chunk and b"\n\n:" not in chunk and b"\n\n\n" not in chunk


def _block_end(stream: bytes | bytearray, start: int, scanned: int) -> int | None:
    """Where the block at `start` ends, its end being sought from `scanned`; None while that is not known."""
    if stream[start : start + 1] in (b":", b"\r", b"\n"):
        match = _LINE_AT_START.match(stream, start)
    else:
        match = _EVENT_END.search(stream, scanned)
    if match is None or (match.end() == len(stream) and stream.endswith(b"\r")):
        return None  # A CR at the very end may yet become CRLF.
    return match.end()
