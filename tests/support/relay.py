"""A network between two programs that a test can cut, freeze and heal."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

_CHUNK: Final = 65536


@dataclass(slots=True)
class _Watched:
    """A connection: whether the marker went over it, and whether its next answer is to be lost."""

    marked: bool = False
    losing: bool = False


class Relay:
    """Passes bytes on between its own port and another address, as long as it is whole."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._refusing = False
        self._marker: bytes | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Where to connect."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Ends every connection, and every new one at once: as a database that was stopped."""
        self._refusing = True
        for writer in self._open:
            writer.transport.abort()

    def freeze(self) -> None:
        """Passes nothing on, and tells nobody: as a cable that was pulled."""
        self._flowing.clear()

    def lose_commit_of(self, marker: bytes) -> None:
        """Once: the next COMMIT on a connection over which these bytes went is carried out, and its answer is lost with
        the connection.
        """
        self._marker = marker

    def heal(self) -> None:
        """Whole again."""
        self._refusing = False
        self._flowing.set()

    async def start(self, at: str = "127.0.0.1") -> None:
        """Listens on a free port of that address."""
        self._server = await asyncio.start_server(self._pass_on, at, 0)

    async def stop(self) -> None:
        """Ends everything."""
        assert self._server is not None
        self.cut()
        self._flowing.set()
        self._server.close()
        await self._server.wait_closed()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        other_reader, other_writer = await asyncio.open_connection(*self._target)
        self._open |= {writer, other_writer}
        watched = _Watched()
        await asyncio.gather(
            self._pump(reader, other_writer, watched), self._pump(other_reader, writer, watched, answers=True)
        )
        self._open -= {writer, other_writer}

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, watched: "_Watched", *, answers: bool = False
    ) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._flowing.wait()
                if answers and watched.losing:
                    writer.transport.abort()
                    return
                if not answers and self._marker is not None and self._marker in data:
                    watched.marked, self._marker = True, None
                watched.losing = watched.losing or (not answers and watched.marked and b"COMMIT" in data)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def relaying(host: str, port: int, *, at: str = "127.0.0.1") -> AsyncIterator[Relay]:
    """A relay to that address, which listens at `at`, until the block is left."""
    relay = Relay(host, port)
    await relay.start(at)
    try:
        yield relay
    finally:
        await relay.stop()
