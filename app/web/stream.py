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
    meanwhile: Callable[["asyncio.Future[Any]"], AsyncIterator[Frame]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> StreamingResponse:
    """An event stream: `first` at once, then what `rest` gives, then `last`. `comments`: clients bear keep-alives.
    `meanwhile` gives what there is to show until `rest` is done.
    """

    async def chunks() -> AsyncIterator[bytes]:
        for frame in first:
            for chunk in _sent(frame):
                yield chunk
        waiting = asyncio.ensure_future(rest())
        try:
            async for shown in _until(waiting, clock, meanwhile):
                if shown is not None:
                    for chunk in _sent(shown):
                        yield chunk
                elif comments:
                    yield COMMENT_KEEPALIVE
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


async def _until(
    waiting: "asyncio.Future[Any]",
    clock: Clock,
    meanwhile: Callable[["asyncio.Future[Any]"], AsyncIterator[Frame]] | None,
) -> AsyncIterator[Frame | None]:
    """What is to be shown until `waiting` is done; None every ten seconds without anything."""
    shown = aiter(meanwhile(waiting)) if meanwhile is not None else None
    coming: asyncio.Future[Frame] | None = None
    try:
        while True:
            if shown is not None and coming is None:
                coming = asyncio.ensure_future(anext(shown))
            tick = asyncio.ensure_future(clock.sleep(KEEP_ALIVE_S))
            try:
                await asyncio.wait({coming or waiting, tick}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                tick.cancel()
            if coming is not None and coming.done():
                try:
                    yield coming.result()
                    coming = None
                except StopAsyncIteration:
                    return
            elif waiting.done() and coming is None:
                return
            else:
                yield None
    finally:
        if coming is not None:
            coming.cancel()


def _sent(frame: Frame) -> Iterator[bytes]:
    if frame.name is not None:
        yield f"event: {frame.name}\n".encode()
    yield b"data: "
    yield from pieces(encode(frame.data))
    yield b"\n\n"
