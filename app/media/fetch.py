"""Downloads the pictures that clients and vendors name by URL, through the guarded door, into a spool."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import httpx

from app.core.clock import Clock
from app.core.errors import InvalidRequest
from app.core.media import Blob
from app.media.door import Door, Patience
from app.media.guard import CheckedUrl, ForbiddenUrl, MalformedUrl, UnknownHost, parse_url
from app.wire.blobs import BlobSink

OpenSink = Callable[[], BlobSink]

_HEADERS: Final = {"User-Agent": "oneshape", "Accept": "image/*"}
_PATIENCE: Final = Patience()
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_WORTH_A_RETRY: Final = frozenset({404, 408, 425, 429})
_PAUSES_S: Final = (0.5, 2.0)
"""Before the second and the third try: some vendors answer with a URL before the picture is there (F75)."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """What one download may take. `total_s` is for one try, from the name's resolution to the last byte."""

    max_bytes: int
    total_s: float = 30
    patience: Patience = _PATIENCE
    max_redirects: int = 3


INPUT_LIMITS: Final = FetchLimits(max_bytes=20 * 1024 * 1024)
"""For clients' pictures (fault-cases D52, D55)."""

RESULT_LIMITS: Final = FetchLimits(max_bytes=40 * 1024 * 1024, total_s=60)
"""For vendors' pictures, which were paid for: larger, and with more time."""


class FetchFailed(Exception):
    """A download that did not succeed. `reason` is for the record: it holds no URL and no byte of the answer.

    `again`: whether another try could help.
    """

    def __init__(self, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again


class Fetcher:
    """Downloads. Every sink that it opens is closed into the blob returned, or aborted."""

    def __init__(
        self, door: Door, *, clock: Clock, inputs: FetchLimits = INPUT_LIMITS, results: FetchLimits = RESULT_LIMITS
    ) -> None:
        self._door = door
        self._clock = clock
        self._inputs = inputs
        self._results = results

    async def fetch_input(self, url: str, open_sink: OpenSink, *, param: str) -> Blob:
        """A client's picture, tried once. What lies behind the URL does not change the words (D58).

        Raises: InvalidRequest (invalid_image_url, image_url_not_allowed, failed_to_download_image); what the sink does.
        """
        with _as_clients_fault(param):
            return await self._try(parse_url(url), open_sink, self._inputs)

    async def check_input(self, url: str, *, param: str) -> None:
        """Whether a client's URL may be handed on to a vendor. A name not resolved here is the vendor's to find.

        Raises: InvalidRequest (invalid_image_url, image_url_not_allowed).
        """
        with _as_clients_fault(param), suppress(UnknownHost, TimeoutError):
            async with asyncio.timeout(self._inputs.total_s):
                await self._door.check(parse_url(url))

    def check_webhook(self, url: str, *, param: str) -> None:
        """Whether it can be delivered to, as far as the URL alone tells. Raises: InvalidRequest (invalid_value)."""
        try:
            self._door.refuse_at_sight(parse_url(url))
        except (MalformedUrl, ForbiddenUrl) as error:
            message = f"{param!r} must be an http or https URL of a public address, without credentials."
            raise InvalidRequest(message, param=param) from error

    async def fetch_result(self, url: str, open_sink: OpenSink) -> Blob:
        """A vendor's picture, tried up to three times. Raises: FetchFailed, and what the sink does."""
        try:
            checked = parse_url(url)
            for pause_s in _PAUSES_S:
                try:
                    return await self._try(checked, open_sink, self._results)
                except (FetchFailed, UnknownHost) as error:
                    if isinstance(error, FetchFailed) and not error.again:
                        raise
                await self._clock.sleep(pause_s)
            return await self._try(checked, open_sink, self._results)
        except (MalformedUrl, ForbiddenUrl, UnknownHost) as error:
            raise FetchFailed(f"the URL is refused: {error}") from error

    async def _try(self, url: CheckedUrl, open_sink: OpenSink, limits: FetchLimits) -> Blob:
        try:
            async with asyncio.timeout(limits.total_s):
                return await self._follow(url, open_sink, limits)
        except TimeoutError as error:
            raise FetchFailed("it took too long", again=True) from error
        except httpx.TransportError as error:
            raise FetchFailed(f"{error}", again=True) from error

    async def _follow(self, url: CheckedUrl, open_sink: OpenSink, limits: FetchLimits) -> Blob:
        for _ in range(limits.max_redirects + 1):
            answer = await self._ask(url, open_sink, limits)
            if isinstance(answer, Blob):
                return answer
            url = answer
        raise FetchFailed("too many redirects")

    async def _ask(self, url: CheckedUrl, open_sink: OpenSink, limits: FetchLimits) -> Blob | CheckedUrl:
        """One request: the picture, or where to ask next."""
        async with self._door.send("GET", url, headers=_HEADERS, patience=limits.patience) as response:
            status = response.status_code
            if status in _REDIRECTS and (location := response.headers.get("location")):
                return url.redirected(location)
            if status != 200:
                raise FetchFailed(f"status {status}", again=status in _WORTH_A_RETRY or status >= 500)
            if response.headers.get("content-encoding", "identity").lower() != "identity":
                raise FetchFailed("the answer is compressed")
            return await _receive(response, open_sink, limits.max_bytes)


@contextmanager
def _as_clients_fault(param: str) -> Iterator[None]:
    try:
        yield
    except MalformedUrl as error:
        message = "The image URL is not valid: an absolute http or https URL without credentials is needed."
        raise InvalidRequest(message, code="invalid_image_url", param=param) from error
    except (ForbiddenUrl, UnknownHost) as error:
        # The same words for both, or it could be asked which names there are inside (D58).
        message = "The image URL is not allowed: it must lead to a public address, port 80 or 443."
        raise InvalidRequest(message, code="image_url_not_allowed", param=param) from error
    except FetchFailed as error:
        message = "The image could not be downloaded from its URL."
        raise InvalidRequest(message, code="failed_to_download_image", param=param) from error


async def _receive(response: httpx.Response, open_sink: OpenSink, max_bytes: int) -> Blob:
    sink = open_sink()
    received_bytes = 0
    try:
        async for chunk in response.aiter_bytes():  # as they came: an encoded answer was refused
            received_bytes += len(chunk)
            if received_bytes > max_bytes:
                raise FetchFailed("it is too large")
            sink.write(chunk)
        if not received_bytes:
            raise FetchFailed("the answer is empty", again=True)
        return sink.close()
    except BaseException:
        sink.abort()
        raise
