"""Puts an answer on the wire, whole or as events, and plays the faults of the stages `transport` and `stream`.

Knows bytes and events only; what they say is the vendor modules' affair.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.core.clock import Clock

HANG_UP: Final = "oneshape.sandbox.hang_up"
"""The ASGI extension by which `server.py` lets an answer close its connection."""
_BIG_BYTES: Final = 8 * 1024 * 1024 + 4
_ENDLESS_PIECE: Final = b" " * 65536
_HOSTILE: Final = {
    "set-cookie": "sandbox=1; Domain=example.com",
    "x-should-retry": "true",
    "x-filler": "f" * 32768,
    "x-request-id": "vendor-made-this-up",
}


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: a JSON document, and a name where the protocol has names."""

    body: object
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """How answers leave: which faults to play, the clock that paces them, and the signal that the server stops."""

    faults: frozenset[str]
    clock: Clock
    closing: asyncio.Event
    chunk_s: float = 0.0

    async def silence(self, request: Request) -> Response | None:
        """Plays `slow` and `hang_up`: waits or closes, and returns an answer that nobody will read; else None."""
        if "hang_up" in self.faults:
            return _Cut(b"", b"")
        if "slow" in self.faults:
            await wait_for_end(request, self.closing)
            return _Cut(b"", b"")
        return None

    def whole(self, body: object, *, status: int = 200) -> Response:
        """A JSON document in one piece."""
        content = orjson.dumps(body)
        media_type = "text/html" if "wrong_content_type" in self.faults else "application/json"
        headers = dict(_HOSTILE) if "hostile_headers" in self.faults else {}
        if "cut_mid" in self.faults:
            return _Cut(content, media_type.encode())
        if "endless_body" in self.faults:
            return _Endless(content[:1], _ENDLESS_PIECE, media_type, self.closing)
        if "trickle" in self.faults:
            return StreamingResponse(self._trickle(content), status, headers=headers, media_type=media_type)
        return Response(content, status, headers=headers, media_type=media_type)

    def array(self, bodies: Sequence[object]) -> Response:
        """A JSON array delivered element by element, as Google streams without `alt=sse`."""
        pieces = [b"[" + orjson.dumps(bodies[0]), *(b",\n" + orjson.dumps(body) for body in bodies[1:]), b"]"]
        return StreamingResponse(self._paced(pieces), media_type="application/json")

    def events(self, events: Sequence[Event], *, done: bool = True) -> Response:
        """Server-sent events, with `[DONE]` at the end unless the protocol has none."""
        if "cut_mid" in self.faults:
            return _Cut(b"".join(self._lines(events, done=False)), b"text/event-stream")
        if "endless_comments" in self.faults:
            return _Endless(b": hello\n\n", b": still there\n\n" * 64, "text/event-stream", self.closing)
        if "endless_line" in self.faults:
            return _Endless(b"data: {", _ENDLESS_PIECE, "text/event-stream", self.closing)
        if "trickle" in self.faults:
            pieces = self._trickle(b"".join(self._lines(events, done=done)))
        else:
            pieces = self._paced(list(self._lines(events, done=done)))
        media_type = "text/html" if "wrong_content_type" in self.faults else "text/event-stream"
        headers = {"cache-control": "no-cache"} | (_HOSTILE if "hostile_headers" in self.faults else {})
        return StreamingResponse(pieces, headers=headers, media_type=media_type)

    def _lines(self, events: Sequence[Event], *, done: bool) -> Sequence[bytes]:
        shown = list(events)
        if "error_mid_stream" in self.faults and shown:
            shown[-1] = Event({"error": {"message": "The stream broke.", "type": "server_error", "code": "broken"}})
        pieces = [self._encoded(event) for event in shown]
        if "keepalive_comments" in self.faults:
            pieces = [b": keep-alive\n\n", *(b": ping\n" + piece for piece in pieces)]
        if "empty_events" in self.faults:
            pieces = [b"event: ping\n\n", b"data:\n\n", *pieces]
        if done and "no_done" not in self.faults:
            pieces.append(b"data: [DONE]\n\n")
        if "no_last_newline" in self.faults:
            pieces[-1] = pieces[-1].rstrip(b"\n")
        if "no_space_data" in self.faults:
            pieces = [piece.replace(b"data: ", b"data:", 1) for piece in pieces]
        return [piece.replace(b"\n", b"\r\n") for piece in pieces] if "crlf" in self.faults else pieces

    def _encoded(self, event: Event) -> bytes:
        body = event.body
        if "big_line" in self.faults and isinstance(body, dict):
            body = {"padding": "data:image/png;base64," + "A" * _BIG_BYTES, **body}
        name = b"event: " + event.name.encode() + b"\n" if event.name else b""
        return name + b"data: " + orjson.dumps(body) + b"\n\n"

    async def _paced(self, pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
        for index, piece in enumerate(pieces):
            if index and self.chunk_s:
                await self.clock.sleep(self.chunk_s)
            yield piece

    async def _trickle(self, content: bytes) -> AsyncIterator[bytes]:
        for position in range(len(content)):
            if self.closing.is_set():
                return
            yield content[position : position + 1]
            await self.clock.sleep(1.0)


async def wait_for_end(request: Request, closing: asyncio.Event) -> None:
    """Returns when the client has gone away or the sandbox closes. The request's body must have been read."""
    gone = asyncio.ensure_future(request.receive())
    stopped = asyncio.ensure_future(closing.wait())
    await asyncio.wait((gone, stopped), return_when=asyncio.FIRST_COMPLETED)
    for waiting in (gone, stopped):
        waiting.cancel()


class _Cut(Response):
    """Promises a whole body, sends half of it and closes the connection; with no content, closes it at once."""

    def __init__(self, content: bytes, media_type: bytes) -> None:
        super().__init__()
        self._content = content
        self._media_type = media_type

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._content:
            length = str(len(self._content)).encode()
            headers = [(b"content-type", self._media_type), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            half = self._content[: len(self._content) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
        await _hang_up(scope)


class _Endless(Response):
    """Sends one piece over and over, until the client goes away or the sandbox closes."""

    def __init__(self, first: bytes, piece: bytes, media_type: str, closing: asyncio.Event) -> None:
        super().__init__()
        self._first = first
        self._piece = piece
        self._media_type = media_type
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", self._media_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        gone = asyncio.ensure_future(receive())
        stopped = asyncio.ensure_future(self._closing.wait())
        while not gone.done() and not stopped.done():
            await send({"type": "http.response.body", "body": self._piece, "more_body": True})
            # A full socket makes `send` wait, a closed one does not: this lets the loop notice the difference.
            await asyncio.wait((gone, stopped), timeout=0)
        for waiting in (gone, stopped):
            waiting.cancel()
        await _hang_up(scope)


async def _hang_up(scope: Scope) -> None:
    hang_up: Callable[[], Awaitable[None]] | None = scope.get("extensions", {}).get(HANG_UP)
    if hang_up is not None:
        await hang_up()
