"""An httpx transport over aiohttp that sends a URL as it stands and remembers nothing. It checks nothing: see `door`.

aiohttp's client is used bare: no cookies, no proxy or .netrc from the environment, no redirects, no decompression (M9).
"""

import ssl
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from typing import Final

import aiohttp
import httpx
from yarl import URL

_CHUNK_BYTES: Final = 64 * 1024


class ExactTransport(httpx.AsyncBaseTransport):
    """Sends requests whose host is an address; the extension `sni_hostname` is the name its certificate must have."""

    def __init__(self, *, verify: ssl.SSLContext | None = None, max_connections: int = 100) -> None:
        """To be made while the event loop runs. `verify`: None takes the usual authorities."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=verify or httpx.create_ssl_context(), limit=max_connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends and returns once the headers are there. Raises: TransportError; ConnectError if no byte was sent."""
        timeout = request.extensions["timeout"]
        with _errors_as_httpx():
            response = await self._session.request(
                request.method,
                _exactly(request.url),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=timeout["pool"], sock_connect=timeout["connect"], sock_read=timeout["read"]
                ),
                server_hostname=request.extensions.get("sni_hostname"),
            )
        return httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response), request=request)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._session.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _errors_as_httpx():
            async for chunk in self._response.content.iter_chunked(_CHUNK_BYTES):
                yield chunk

    async def aclose(self) -> None:
        self._response.close()  # a body that was read to its end has given its connection back already


def _exactly(url: httpx.URL) -> URL:
    """The same URL for aiohttp, which would otherwise spell its escapes anew and so void some signatures."""
    path, _, query = url.raw_path.decode("ascii").partition("?")
    return URL.build(scheme=url.scheme, host=url.host, port=url.port, path=path, query_string=query, encoded=True)


@contextmanager
def _errors_as_httpx() -> Generator[None]:
    try:
        yield
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise httpx.ConnectError("no connection") from error
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise httpx.TransportError("the connection broke") from error
