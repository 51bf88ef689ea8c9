"""Clients of big pictures: each connection asks again and again, and what it gets is compared byte by byte.

Requests are made of shared parts, so that sixteen uploads cost the memory of one. Not for small answers: see `load.py`.
"""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from benchmarks.meanwhile import Meanwhile

READ_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: `body` in parts, so that the large ones are shared."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Sequence[bytes] = ()

    def parts(self) -> list[bytes]:
        """The request as it is sent."""
        length = sum(map(len, self.body))
        headers = {"host": "127.0.0.1", **self.headers, "content-length": str(length)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return [f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n".encode(), *self.body]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `start` to `end` of its connection's memory, until that connection asks for something else."""

    status: int
    held: bytearray
    start: int
    end: int

    @property
    def body(self) -> bytes:
        """A copy of the body."""
        return bytes(memoryview(self.held)[self.start : self.end])

    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def is_all(self, data: bytes) -> bool:
        """Whether the body is this, compared in place."""
        return self.end - self.start == len(data) and self.held.startswith(data, self.start)

    def carries(self, data: bytes) -> bool:
        """Whether this stands in the body, where its beginning first does."""
        at = self.held.find(data[:64], self.start, self.end)
        return 0 <= at <= self.end - len(data) and self.held.startswith(data, at)


class Connection(asyncio.BufferedProtocol):
    """A keep-alive connection: one request at a time. Answers arrive in memory that is kept: what the asking costs
    must not be what is measured.
    """

    def __init__(self) -> None:
        self._held = bytearray(READ_BYTES)
        self._room = memoryview(self._held)
        self._filled = 0
        self._start = 0
        self._end = 0
        self._chunked = False
        self._status = 0
        self._answer: asyncio.Future[Answer] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    async def ask(self, ask: Ask) -> Answer:
        """Sends it and waits for the whole answer. Raises: ConnectionError."""
        self._answer = asyncio.get_running_loop().create_future()
        self._filled = self._end = 0
        for part in ask.parts():
            self._transport.write(part)
        return await self._answer

    def close(self) -> None:
        """Ends the connection."""
        self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop."""
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop."""
        self._filled += nbytes
        if not self._end and not self._read_head():
            return
        if self._answer is None or self._answer.done():
            return
        if self._chunked:
            self._read_chunks(self._answer)
        elif self._filled >= self._end:
            self._answer.set_result(Answer(self._status, self._held, self._start, self._end))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the connection was lost"))

    def _read_head(self) -> bool:
        """Finds out where the answer ends, and makes room up to there; False while its head is not whole."""
        end = self._held.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            return False
        head = bytes(self._room[:end]).lower()
        self._status = int(head[9:12])
        at = head.find(b"content-length:")
        self._chunked = b"transfer-encoding: chunked" in head
        self._start = end + 4
        self._end = self._start + (int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
        self._make_room(self._end + READ_BYTES)  # as much more as a streamed answer of the same has for its chunks
        return True

    def _read_chunks(self, answer: "asyncio.Future[Answer]") -> None:
        """Puts the chunks that are whole together, where they are."""
        at = self._end
        while (line := self._held.find(b"\r\n", at, self._filled)) >= 0:
            length = int(self._held[at:line], 16)
            begin, after = line + 2, line + 4 + length
            if after > self._filled:
                break
            if not length:
                answer.set_result(Answer(self._status, self._held, self._start, self._end))
                return
            self._room[self._end : self._end + length] = self._room[begin : begin + length]
            self._end += length
            at = after
        left = self._filled - at
        self._room[self._end : self._end + left] = self._room[at : self._filled]
        self._filled = self._end + left
        if self._filled == len(self._held):
            self._make_room(self._filled * 5 // 4)

    def _make_room(self, count: int) -> None:
        if count > len(self._held):
            self._held = self._held[: self._filled] + bytearray(count - self._filled)
            self._room = memoryview(self._held)


async def connected(port: int) -> Connection:
    """A new connection to this machine's port."""
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    return connection


class Pulse(Meanwhile):
    """Asks /healthz a hundred times a second from a thread of its own: how long the event loop lets others wait."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._times_ms: list[float] = []
        super().__init__()

    def percentile_ms(self, share: float) -> float:
        """The time that this share of the answers took at most."""
        ordered = sorted(self._times_ms) or [0.0]
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    def run(self) -> None:
        """Asks on one connection."""
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            while not self.ended.wait(0.01):
                started = time.perf_counter()
                connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
                connection.recv(4096)
                self._times_ms.append((time.perf_counter() - started) * 1000)


async def in_crowd(connections: Sequence[Connection], count: int, one: Callable[[Connection], Any]) -> float:
    """Does `one` so often, each connection as fast as it can; returns the seconds that it took."""
    left: Iterator[int] = iter(range(count))

    async def work(connection: Connection) -> None:
        for _ in left:
            await one(connection)

    started = time.perf_counter()
    await asyncio.gather(*(work(connection) for connection in connections))
    return time.perf_counter() - started
