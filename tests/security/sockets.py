"""A client that writes bytes to a socket, and a small application behind the real server. No fixtures."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from app.cli.serving import serving
from app.web.patience import ConnectionLimits

PATIENCE_S = 5.0
"""How long a test waits for what must come: a failure, not a measurement."""

QUICK = ConnectionLimits(
    header_s=0.15, body_idle_s=0.15, body_s=0.6, body_rate=4096, body_rate_after_s=0.3, write_idle_s=0.2, linger_s=0.2
)
"""The limits of production in tenths of seconds."""

HEAD = b"GET /v1/models HTTP/1.1\r\nHost: gateway\r\n\r\n"


@dataclass
class Witness:
    """An application that reads a body, answers its length, and remembers what reached it."""

    seen: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    finish: asyncio.Event = field(default_factory=asyncio.Event)
    answer: bytes = b""

    def forget(self) -> None:
        """Starts anew."""
        self.seen.clear()
        self.left.clear()
        self.finish.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.seen.append(path)
        size = 0
        while path != "/early":
            message = await receive()
            if message["type"] == "http.disconnect":
                self.left.append(path)
                return
            size += len(message.get("body", b""))
            if not message.get("more_body"):
                break
        if path == "/slow":
            await self.finish.wait()
        body = self.answer or json.dumps({"path": path, "size": size}).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 413 if path == "/early" else 200, "headers": headers})
        for start in range(0, len(body), 65536):
            more = start + 65536 < len(body)
            await send({"type": "http.response.body", "body": body[start : start + 65536], "more_body": more})
        self.seen.append(f"{path} answered")


@dataclass
class Answer:
    """One answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of an OpenAI-shaped refusal."""
        told: dict[str, Any] = json.loads(self.body)["error"]
        return told


class Socket:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Writes, and does not mind that the other side has gone."""
        with suppress(ConnectionError):
            self.writer.write(data)
            await self.writer.drain()

    async def answer(self) -> Answer:
        """The next answer. Raises: EOFError when the connection ends without one."""
        async with asyncio.timeout(PATIENCE_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(head[0].split()[1]), headers, body)

    async def rest(self) -> bytes:
        """Everything until the other side closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""

    async def refused(self, status: int, code: str) -> Answer:
        """The answer, which must be this refusal in the contract's shape and the last on its connection."""
        answer = await self.answer()
        assert answer.status == status, answer
        assert set(answer.error) == {"message", "type", "param", "code"}
        assert answer.error["code"] == code
        assert answer.headers["x-request-id"].startswith("req_")
        assert await self.rest() == b""
        return answer


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Socket]:
    """A connection to a server."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        yield Socket(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@asynccontextmanager
async def witnessed(
    limits: ConnectionLimits = QUICK, *, app: ASGIApp | None = None, **options: Any
) -> AsyncIterator[tuple[str, Witness]]:
    """The server around a witness, or around `app`."""
    witness = Witness()
    async with serving(app or witness, limits=limits, **options) as url:
        yield url, witness


async def ask(url: str, data: bytes) -> Answer:
    """The answer to these bytes on a connection of their own."""
    async with connected(url) as socket:
        await socket.send(data)
        return await socket.answer()
