"""One connection of a server that costs next to nothing, for what a gateway of big pictures is measured between."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, cast

READ_BYTES: Final = 1 << 20


class Served(asyncio.BufferedProtocol):
    """Takes whole requests, of declared length. The memory that one arrives in is kept for the next one, which need not
    be made anew then.
    """

    def __init__(self) -> None:
        self.held = bytearray(READ_BYTES)
        self.room = memoryview(self.held)
        self._filled = 0
        self._body_at = 0
        self._end = 0

    def answer(self, method: str, path: str, body_at: int, end: int) -> None:
        """To be done by who serves: the request's body is in `held` (and `room`) from `body_at` to `end`."""
        raise NotImplementedError

    def send(self, parts: Sequence["bytes | memoryview"], *, status: str = "200 OK", headers: bytes = b"") -> None:
        """An answer. `headers`: lines with their ends."""
        length = sum(map(len, parts))
        head = b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n" % (status.encode(), headers, length)
        for part in (head, *parts):
            self._transport.write(part)

    def header(self, name: bytes) -> bytes:
        """A header of this request, `name` in small letters; empty when it has none."""
        head = bytes(self.room[: self._body_at])
        at = head.lower().find(b"\r\n%b:" % name)
        return b"" if at < 0 else head[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop."""
        return self.room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop."""
        self._filled += nbytes
        if not self._end:
            head = self.held.find(b"\r\n\r\n", 0, self._filled)
            if head < 0:
                return
            self._body_at = head + 4
            self._end = self._body_at + int(self.header(b"content-length") or 0)
            if self._end >= len(self.held):
                self.held = self.held[: self._filled] + bytearray(self._end + 1 - self._filled)
                self.room = memoryview(self.held)
        if self._filled >= self._end:
            body_at, end, self._filled, self._end = self._body_at, self._end, 0, 0
            method, path, _ = bytes(self.room[:1000]).decode("latin-1").split(" ", 2)
            self.answer(method, path, body_at, end)


async def serve(make: Callable[[], Served], port: int) -> None:
    """Serves on this machine, and says `ready` on standard output once it does."""
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()
