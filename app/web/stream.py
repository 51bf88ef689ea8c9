"""Server-sent events for answers that take a while: frames at once, keep-alives, then the rest or an error."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.responses import StreamingResponse

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.exchange import Json
from app.wire.outgoing import encode
from app.wire.sending import pieces
from app.wire.sse import COMMENT_KEEPALIVE

KEEP_ALIVE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Frame:
    """One event: its data as a document, and its name if it has one."""

    data: Json
    name: str | None = None


def event_stream(
    rest: Callable[[], Coroutine[Any, Any, Sequence[Frame]]],
    *,
    clock: Clock,
    on_error: Callable[[GatewayError], Sequence[Frame]],
    first: Sequence[Frame] = (),
    last: bytes = b"",
    comments: bool = True,
    headers: Mapping[str, str] | None = None,
) -> StreamingResponse:
    """An event stream: `first` at once, then what `rest` gives, then `last`. `comments`: clients bear keep-alives."""

    async def chunks() -> AsyncIterator[bytes]:
        for frame in first:
            for chunk in _sent(frame):
                yield chunk
        waiting = asyncio.ensure_future(rest())
        try:
            async for tick in _ticks(waiting, clock):
                if comments:
                    yield tick
            try:
                frames = await waiting
            except GatewayError as error:
                frames = on_error(error)
            for frame in frames:
                for chunk in _sent(frame):
                    yield chunk
            yield last
        finally:
            waiting.cancel()

    return StreamingResponse(
        chunks(),
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no", **(headers or {})},
    )


async def _ticks(waiting: "asyncio.Future[Any]", clock: Clock) -> AsyncIterator[bytes]:
    """A keep-alive every ten seconds until `waiting` is done."""
    while True:
        tick = asyncio.ensure_future(clock.sleep(KEEP_ALIVE_S))
        try:
            await asyncio.wait({waiting, tick}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tick.cancel()
        if waiting.done():
            return
        yield COMMENT_KEEPALIVE


def _sent(frame: Frame) -> Iterator[bytes]:
    if frame.name is not None:
        yield f"event: {frame.name}\n".encode()
    yield b"data: "
    yield from pieces(encode(frame.data))
    yield b"\n\n"
