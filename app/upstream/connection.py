"""One HTTP/1.1 connection to a vendor and the reply that arrives on it: httptools parses, nothing is understood here.

Written for text chat, where httpx's own machinery costs more than all the rest of a request (docs/decisions).
"""

import asyncio
from collections.abc import Callable
from typing import Final, cast

import httptools

from app.core.exchange import Failure, VendorFailure
from app.upstream.waiting import Waits

HEAD_BYTES_MAX: Final = 64 * 1024
"""Resellers' proxies add headers of tens of KiB; the paid answer below them is worth reading (fault-cases F80)."""
BUFFER_BYTES_MAX: Final = 256 * 1024
"""More than this waits in the socket, not in memory, until the reader has caught up."""

END_S: Final = 1.0
"""How long the end of a body that is otherwise whole is waited for, before its connection is given up."""


class Reply:
    """A reply while it arrives; see `Arriving`. Deadlines run on the event loop, one timer per reply."""

    def __init__(self, connection: "Connection", loop: asyncio.AbstractEventLoop, waits: Waits) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.head = False
        self.complete = False
        self._connection: Connection | None = connection
        self._loop = loop
        self._waits = waits
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._failure: VendorFailure | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._quiet = False
        self._unread = False
        now = loop.time()
        self._last = now
        self._ends = now + waits.total_s
        self._timer = loop.call_later(min(waits.quiet_s, waits.first_byte_s, waits.idle_s, waits.total_s), self._tick)

    async def begun(self) -> "Reply":
        """Waits for the head. Raises: VendorFailure."""
        while not self.head:
            await self._wait()
        return self

    async def chunk(self) -> bytes | None:
        """See `Arriving`."""
        self._quiet = False
        while not self._chunks:
            if self.complete:
                return b""
            if self._quiet:
                return None
            await self._wait()
        chunks, self._chunks = self._chunks, []
        if self._buffered > BUFFER_BYTES_MAX and self._connection is not None:
            self._connection.resume()
        self._buffered = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def close(self, *, soon: bool = False) -> None:
        """See `Arriving`."""
        if soon and not self.complete:
            self._unread = True
            self._ends = self._loop.time() + END_S
            self._timer.cancel()
            self._timer = self._loop.call_later(END_S, self._tick)
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            self._timer.cancel()
            connection.abort()

    def began(self, status: int, headers: dict[str, str]) -> None:
        """The head is here."""
        self.status, self.headers, self.head = status, headers, True
        self._wake()

    def grew(self, data: bytes) -> bool:
        """More of the body is here; whether the connection should pause."""
        if self._unread:
            return False
        self._chunks.append(data)
        self._buffered += len(data)
        self._wake()
        return self._buffered > BUFFER_BYTES_MAX

    def ended(self) -> None:
        """The body is whole; the connection is free for another."""
        self.complete = True
        self._timer.cancel()
        self._connection = None
        self._wake()

    def touched(self) -> None:
        """Bytes came, whatever they were."""
        self._last = self._loop.time()

    def failed(self, failure: Failure, detail: str) -> None:
        """It will never be whole."""
        self._failure = VendorFailure(failure, detail, status=self.status or None)
        self.close()
        self._wake()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _tick(self) -> None:
        now = self._loop.time()
        allowed_s = self._waits.idle_s if self.head else self._waits.first_byte_s
        ends = min(self._last + allowed_s, self._ends)
        if now >= ends:
            self.failed(Failure.TIMED_OUT, "no answer in time")
            return
        quiet = self._last + self._waits.quiet_s
        if now >= quiet and self.head:
            self._quiet = True
            self._wake()
            quiet = now + self._waits.quiet_s
        self._timer = self._loop.call_later(max(min(ends, quiet if self.head else ends) - now, 0.001), self._tick)


class Connection(asyncio.Protocol):
    """A connection that carries one request at a time. `on_free` is told when it can carry the next."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_free: "Callable[[Connection], None]") -> None:
        self._loop = loop
        self._on_free = on_free
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._reply: Reply | None = None
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._paused = False
        self.free_since = 0.0

    @property
    def usable(self) -> bool:
        """Whether a request can be written to it."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, waits: Waits) -> Reply:
        """Writes a whole request; the reply arrives in what is returned."""
        assert self._transport is not None
        assert self._reply is None, "one request at a time"
        self._reply = reply = Reply(self, self._loop, waits)
        self._headers, self._head_bytes = {}, 0
        self._transport.write(request)
        return reply

    def abort(self) -> None:
        """Closes it at once; nothing more is read or written."""
        self._reply = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None

    def resume(self) -> None:
        """Reads on after a pause."""
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        reply = self._reply
        if reply is None:  # Nobody asked for anything: whatever this is, the next request must not read it.
            self.abort()
            return
        reply.touched()
        if not reply.head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if self._reply is not None:
                self._reply.failed(Failure.UNREADABLE, f"no HTTP: {error}")
        if self._head_bytes > HEAD_BYTES_MAX and not reply.head:
            reply.failed(Failure.UNREADABLE, "endless headers")

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        self._transport = None
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if reply.head and error is None and not {"content-length", "transfer-encoding"} & reply.headers.keys():
            reply.ended()
        else:
            reply.failed(Failure.CUT, "the connection was lost")

    def on_message_begin(self) -> None:
        """Called by the parser. A reply that nobody asked for must not become the next request's."""
        if self._reply is None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser; 1xx replies are not the answer."""
        status = self._parser.get_status_code()
        if self._reply is not None and status >= 200:
            self._reply.began(status, self._headers)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self._reply is not None and self._reply.grew(body) and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        reply = self._reply
        if reply is None:
            return
        if not reply.head:  # The end of a 1xx reply.
            self._headers = {}
            return
        self._reply = None
        self.resume()
        reply.ended()
        if self._parser.should_keep_alive() and self.usable:
            self._on_free(self)
        else:
            self.abort()
