"""The process's own HTTP/1.1 client for text chat: a pool of connections, and the head of a request as bytes."""

import asyncio
import ssl
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx

from app.core.exchange import Failure, VendorFailure
from app.upstream.connection import Connection, Reply
from app.upstream.waiting import REUSED_WITHIN_S, Post, Waits

SWEEP_S: Final = 30.0
USER_AGENT: Final = "oneshape"


@dataclass(slots=True)
class _Place:
    """A URL that is posted to: how its request begins, where it is, and the connections there that are free."""

    host: str
    port: int
    tls: bool
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
        if not (post.credential.isascii() and post.credential.isprintable()):
            raise VendorFailure(Failure.UNAUTHORIZED, "the credential cannot be sent")
        place = self._places.get(post.url) or self._place(post.url)
        connection = self._free(place) or await self._connect(place, waits.connect_s)
        more = "".join([f"{name}: {value}\r\n" for name, value in post.more_headers.items()])
        head = f"{place.head}{post.credential}\r\n{more}content-length: {len(post.body)}\r\n\r\n"
        reply = connection.send(head.encode("latin-1") + post.body, waits)
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
            f"POST {path} HTTP/1.1\r\nhost: {named}\r\nuser-agent: {USER_AGENT}\r\n"
            "accept: application/json, text/event-stream\r\naccept-encoding: identity\r\n"
            "content-type: application/json\r\nauthorization: Bearer "
        )
        place = self._places[url] = _Place(host, parts.port or (443 if tls else 80), tls, head)
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
