"""Looks at pictures that are still being drawn, on their way from who draws them to who waits. Kept nowhere."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from app.core.image import Glimpse
from app.core.media import Blob
from app.media.pictures import measure
from app.media.structure import NotAPicture
from app.wire.sending import read

WAITING_MAX: Final = 4
"""Looks that a slow reader has not taken yet; what would be more is not shown. Fewer may come than were asked for."""
BYTES_MAX: Final = 8 * 2**20
"""They wait in memory, since the request's folder may be gone before they are sent; larger ones are not shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A look, measured from its bytes."""

    index: int
    mime: str
    width: int
    height: int
    blob: Blob


@dataclass(frozen=True, slots=True)
class Glimpses:
    """The looks of one request."""

    _waiting: "asyncio.Queue[Shown]" = field(default_factory=lambda: asyncio.Queue(WAITING_MAX))

    def show(self, glimpse: Glimpse) -> None:
        """Takes one, if it is a picture and there is room. Never blocks, never raises for what a vendor sent."""
        blob = glimpse.blob
        if blob.size_bytes > BYTES_MAX or self._waiting.full():
            return
        with suppress(NotAPicture):
            picture = measure(blob)
            kept = Blob.of(b"".join(read(blob)))
            self._waiting.put_nowait(Shown(glimpse.index, picture.mime, picture.width, picture.height, kept))

    async def until(self, done: "asyncio.Future[Any]") -> AsyncIterator[Shown]:
        """What is shown until `done`, and what was left then."""
        while not done.done():
            coming = asyncio.ensure_future(self._waiting.get())
            try:
                await asyncio.wait({coming, done}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not coming.done():
                    coming.cancel()
            if coming.done() and not coming.cancelled():
                yield coming.result()
        while not self._waiting.empty():
            yield self._waiting.get_nowait()
