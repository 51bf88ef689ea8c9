"""Text chat through httpx, with whatever transport its client has: slower than our own client, and open to httpx's
world of proxies and tests.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping

import httpx

from app.core.exchange import Failure, VendorFailure
from app.upstream.client import USER_AGENT
from app.upstream.waiting import Post, Waits


class HttpxTransport:
    """A `ChatTransport` over an httpx client, which it closes."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def post(self, post: Post, waits: Waits) -> "HttpxReply":
        """See `ChatTransport`."""
        ends = asyncio.get_running_loop().time() + waits.total_s
        request = self._http.build_request(
            "POST",
            post.url,
            content=post.body,
            headers={
                **post.more_headers,
                "authorization": f"Bearer {post.credential}",
                "content-type": "application/json",
                "accept": "application/json, text/event-stream",
                "accept-encoding": "identity",
                "user-agent": USER_AGENT,
            },
            timeout=httpx.Timeout(None, connect=waits.connect_s),
        )
        try:
            async with asyncio.timeout(min(waits.first_byte_s, waits.total_s)):
                response = await self._http.send(request, stream=True)
        except (TimeoutError, httpx.TransportError) as error:
            raise _failure(error) from error
        return HttpxReply(response, waits, ends)

    async def aclose(self) -> None:
        """See `ChatTransport`."""
        await self._http.aclose()


class HttpxReply:
    """See `Arriving`."""

    def __init__(self, response: httpx.Response, waits: Waits, ends: float) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._response = response
        # The raw bytes, since encoded bodies are refused; replies that were read already, as in tests, have them too.
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()
        self._next: asyncio.Task[bytes] | None = None
        self._waits = waits
        self._ends = ends
        self._silent_s = 0.0

    async def chunk(self) -> bytes | None:
        """See `Arriving`. A read outlives the wait for it, since cancelling one would end the body."""
        loop = asyncio.get_running_loop()
        if self._next is None:
            self._next = loop.create_task(self._read())
        wait_s = min(self._waits.quiet_s, self._waits.idle_s - self._silent_s, self._ends - loop.time())
        done, _ = await asyncio.wait({self._next}, timeout=max(wait_s, 0))
        if done:
            chunk, self._next, self._silent_s = self._next, None, 0.0
            return chunk.result()
        self._silent_s += wait_s
        if self._silent_s >= self._waits.idle_s or loop.time() >= self._ends:
            raise VendorFailure(Failure.TIMED_OUT, "no answer in time", status=self.status)
        return None

    def close(self, *, soon: bool = False) -> None:
        """See `Arriving`. The response is closed by a task of its own: giving up waits for nobody."""
        if self._next is not None:
            self._next.cancel()
        if not self._response.is_closed:
            self._closing = asyncio.get_running_loop().create_task(self._response.aclose())

    async def _read(self) -> bytes:
        try:
            async for chunk in self._chunks:
                if chunk:
                    return chunk
            return b""
        except httpx.TransportError as error:
            raise _failure(error, self.status) from error


def _failure(error: TimeoutError | httpx.TransportError, status: int | None = None) -> VendorFailure:
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return VendorFailure(Failure.UNREACHABLE, str(error))
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return VendorFailure(Failure.TIMED_OUT, "no answer in time", status=status)
    return VendorFailure(Failure.CUT, str(error), status=status)
