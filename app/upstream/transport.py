"""The network under the vendors' HTTP client: aiohttp's pool behind httpx's API, with errors that tell what was sent.

For a paid call, whether a connection was made or lost is the difference between "try another vendor" and "never send
again", so the cause of an error decides here.
"""

import ssl
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import httpx
from yarl import URL

from app.upstream.waiting import REUSED_WITHIN_S

HEADER_BYTES_MAX: Final = 64 * 1024
"""Resellers' proxies add headers of tens of KiB; the paid answer below them is worth reading (fault-cases F80)."""
BUFFER_BYTES: Final = 256 * 1024
"""What one answer may have in memory, about: as much as one read of a socket brings. In pieces of 16 KiB, a picture of
12 MB took a quarter to a half more processor time (November 2026, on a busy machine).
"""


class VendorTransport(httpx.AsyncBaseTransport):
    """A connection pool for calling vendors. `connections` bounds it; proxies and netrc of the environment are ignored.

    Raises: httpx.ConnectError when no connection was made (nothing was sent), httpx.ReadError or httpx.ReadTimeout for
    everything later. To be made in a running loop.
    """

    def __init__(
        self, *, connections: int = 1000, keepalive_s: float = REUSED_WITHIN_S, verify: ssl.SSLContext | bool = True
    ) -> None:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=keepalive_s, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_field_size=HEADER_BYTES_MAX,
            read_bufsize=BUFFER_BYTES,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request; see the class for errors."""
        timeout = request.extensions["timeout"]
        assert isinstance(request.stream, httpx.AsyncByteStream)
        try:
            response = await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers.multi_items(),
                data=request.stream if "content-length" in request.headers else None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=timeout["connect"], sock_read=timeout["read"]),
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _told_apart(error, request) from error
        stream = _Body(response, request)
        return httpx.Response(response.status, headers=response.raw_headers, stream=stream, request=request)

    async def aclose(self) -> None:
        """Closes the pool, and lets the loop finish closing its sockets."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    """What has arrived, whenever something has: in pieces as large as the buffer has them."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._response.content.readany():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _told_apart(error, self._request) from error

    async def aclose(self) -> None:
        self._response.close()  # a body that was read to its end has given its connection back already


def _told_apart(error: Exception, request: httpx.Request) -> httpx.TransportError:
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return httpx.ConnectError("no connection was made", request=request)
    if isinstance(error, TimeoutError):
        return httpx.ReadTimeout("no answer in time", request=request)
    return httpx.ReadError("the connection was lost", request=request)
