"""The network under the vendors' HTTP client: aiohttp's pool behind httpx's API, with errors that tell what was sent.

httpx-aiohttp reports a connection that the vendor dropped after the request had left as a connect timeout. For a paid
call that is the difference between "try another vendor" and "never send again", so the cause decides here.
"""

import asyncio
import ssl
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

HEADER_BYTES_MAX: Final = 64 * 1024
"""Resellers' proxies add headers of tens of KiB; the paid answer below them is worth reading (fault-cases F80)."""


class VendorTransport(httpx.AsyncBaseTransport):
    """A connection pool for calling vendors. `connections` bounds it; proxies and netrc of the environment are ignored.

    Raises: httpx.ConnectError when no connection was made (nothing was sent), httpx.ReadError for everything later.
    """

    def __init__(
        self, *, connections: int = 1000, keepalive_s: float = 30.0, verify: ssl.SSLContext | bool = True
    ) -> None:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)

        def session() -> aiohttp.ClientSession:
            return aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=keepalive_s, ssl=context),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                max_field_size=HEADER_BYTES_MAX,
            )

        self._pool = AiohttpTransport(client=session)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request; see the class for errors."""
        try:
            return await self._pool.handle_async_request(request)
        except (httpx.TransportError, aiohttp.ClientError, OSError) as error:
            raise _told_apart(error, request) from error

    async def aclose(self) -> None:
        """Closes the pool, and lets the loop finish closing its sockets."""
        await self._pool.aclose()


def _told_apart(error: Exception, request: httpx.Request) -> httpx.TransportError:
    cause = error.__cause__ or error
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
        return httpx.ConnectError("no connection was made", request=request)
    if isinstance(cause, asyncio.TimeoutError):
        return httpx.ReadTimeout("no answer in time", request=request)
    return httpx.ReadError("the connection was lost", request=request)
