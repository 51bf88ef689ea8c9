"""The process's own HTTP/1.1 client for text chat and polls: a pool of connections, and heads of requests as bytes."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from app.core.exchange import Failure, VendorFailure
from app.upstream.connection import Connection, Reply
from app.upstream.waiting import REUSED_WITHIN_S, Get, Post, Waits

SWEEP_S: Final = 30.0
USER_AGENT: Final = "oneshape"


@dataclass(slots=True)
class _Place:
    """A URL that is called, or begins those that are: its path, where it is, what every head says, and the connections
    there that are free.
    """

    host: str
    port: int
    tls: bool
    path: str
    head: str
    free: list[Connection] = field(default_factory=list)


class HttpTransport:
    """A `ChatTransport`. No proxies, no cookies, no redirects, no decompression. To be made in a running loop."""

    def __init__(self, *, keepalive_s: float = REUSED_WITHIN_S, verify: ssl.SSLContext | None = None) -> None:
        """`verify`: None takes the usual authorities."""
        self._loop = asyncio.get_running_loop()
        self._keepalive_s = keepalive_s
        self._tls = verify or httpx.create_ssl_context(trust_env=False)
        self._places: dict[str, _Place] = {}
        self._connections: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    async def post(self, post: Post, waits: Waits) -> Reply:
        """See `ChatTransport`."""
        place = self._places.get(post.url) or self._place(post.url)
        about = f"content-type: application/json\r\ncontent-length: {len(post.body)}\r\n"
        return await self._send(place, f"POST {place.path}", post, about, post.body, waits)

    async def get(self, get: Get, waits: Waits) -> Reply:
        """As `post`."""
        place = self._places.get(get.base_url) or self._place(get.base_url)
        return await self._send(place, f"GET {place.path}{get.path}", get, "", b"", waits)

    async def _send(
        self, place: _Place, line: str, request: Post | Get, about: str, body: bytes, waits: Waits
    ) -> Reply:
        credential = request.credential
        if not (credential.isascii() and credential.isprintable()):
            raise VendorFailure(Failure.UNAUTHORIZED, "the credential cannot be sent")
        connection = self._free(place) or await self._connect(place, waits.connect_s)
        more = "".join([f"{name}: {value}\r\n" for name, value in request.more_headers.items()])
        head = f"{line} HTTP/1.1\r\n{place.head}{credential}\r\n{more}{about}\r\n"
        reply = connection.send(head.encode("latin-1") + body, waits)
        try:
            return await reply.begun()
        except BaseException:
            reply.close()
            raise

    async def aclose(self) -> None:
        """Closes every connection, and lets the loop finish closing its sockets."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        for connection in self._connections:
            connection.abort()
        self._places.clear()

    def _place(self, url: str) -> _Place:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        host = parts.hostname or ""
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = parts.netloc.rpartition("@")[2]
        head = (
            f"host: {named}\r\nuser-agent: {USER_AGENT}\r\n"
            "accept: application/json, text/event-stream\r\naccept-encoding: identity\r\n"
            "authorization: Bearer "
        )
        place = self._places[url] = _Place(host, parts.port or (443 if tls else 80), tls, path, head)
        return place

    def _free(self, place: _Place) -> Connection | None:
        """A connection that waits, the one that was used last first: the others may then grow old."""
        young = self._loop.time() - self._keepalive_s
        while place.free:
            connection = place.free.pop()
            if connection.usable and connection.free_since > young:
                return connection
            connection.abort()
            self._connections.discard(connection)
        return None

    async def _connect(self, place: _Place, connect_s: float) -> Connection:
        def freed(connection: Connection) -> None:
            connection.free_since = self._loop.time()
            place.free.append(connection)
            if self._sweeping is None:
                self._sweeping = self._loop.call_later(SWEEP_S, self._sweep)

        try:
            async with asyncio.timeout(connect_s):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, freed), place.host, place.port, ssl=self._tls if place.tls else None
                )
        except (OSError, TimeoutError, UnicodeError) as error:
            raise VendorFailure(Failure.UNREACHABLE, str(error)) from error
        self._connections.add(connection)
        return connection

    def _sweep(self) -> None:
        """Closes what has been free for too long to be used again."""
        old = self._loop.time() - self._keepalive_s
        for place in self._places.values():
            for connection in place.free:
                if connection.free_since <= old:
                    connection.abort()
            place.free = [connection for connection in place.free if connection.usable]
        self._connections = {connection for connection in self._connections if connection.usable}
        waiting = any(place.free for place in self._places.values())
        self._sweeping = self._loop.call_later(SWEEP_S, self._sweep) if waiting else None
