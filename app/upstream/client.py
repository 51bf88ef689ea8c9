"""Drives an Exchange over HTTP: the only place that calls vendors. Deadlines, byte caps and streaming live here,
meaning does not.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Final

import httpx
import orjson

from app.core.catalog import Vendor
from app.core.clock import Clock
from app.core.exchange import Call, Exchange, Failure, Json, Outcome, Reply, VendorFailure
from app.core.media import Blobs
from app.upstream.body import Body, body_of
from app.upstream.http import HttpTransport
from app.upstream.waiting import Arriving, Get, Waits
from app.wire.blobs import BlobSink, Lifter, LiftError
from app.wire.sse import SseEventTooLarge, SseParser, looks_like_sse

TEXT_CHARS: Final = 2_000
USER_AGENT: Final = "oneshape"
NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How long and how much one call may be. Defaults are those of fault-cases section 5.

    `document_bytes`: what may stay of an answer for each picture asked for, once the pictures are lifted. It is
    in memory, so endless words may take as much; the largest honest part seen is a signature of thoughts, about 1 MB.
    """

    connect_s: float = 5.0
    first_byte_s: float = 180.0
    idle_s: float = 60.0
    reply_bytes: int = 128 * 2**20
    document_bytes: int = 4 * 2**20
    blob_bytes: int = 40 * 2**20
    blobs: int = 32

    def answer_bytes(self, pictures: int) -> int:
        """How much one answer may be: `reply_bytes` with one picture, and room for the largest, as base64, for each
        further one that was asked for. Ten pictures of 16 MB are an honest answer; they pass through memory.
        """
        return self.reply_bytes + (pictures - 1) * (self.blob_bytes // 3 + 1) * 4


async def nothing_to_record(call: Call) -> None:
    """For exchanges whose calls cost nothing."""


class VendorClient:
    """Calls vendors over a transport, which stays its owner's. The same client serves all vendors."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        *,
        clock: Clock,
        limits: CallLimits | None = None,
        light: HttpTransport | None = None,
    ) -> None:
        """`light`: where polls go, which are many and have no body; None: as all else."""
        self._transport = transport
        self._clock = clock
        self._limits = limits or CallLimits()
        self._light = light

    async def drive(
        self,
        exchange: Exchange[Outcome],
        vendor: Vendor,
        *,
        credential: str,
        open_sink: Callable[[], BlobSink],
        before_send: Callable[[Call], Awaitable[None]] = nothing_to_record,
        more_headers: Mapping[str, str] = NONE,
        pictures: int = 1,
        on_event: Callable[[Json, Blobs], None] | None = None,
    ) -> Outcome:
        """Runs the exchange to its outcome. `before_send` is awaited before each call leaves, to record that it may.

        `more_headers` go with every call. `pictures` were asked for: an answer may be as much larger. `on_event` is
        told each event of an event stream while the stream goes on; what it says counts when the answer is whole.

        Raises:
            VendorFailure: the exchange said so, the vendor could not be reached, or it did not answer in time.
        """
        try:
            call = next(exchange)
            while True:
                await before_send(call)
                if self._light is not None and _is_light(call):
                    reply = await self._asked(self._light, call, vendor, credential, more_headers, open_sink, pictures)
                else:
                    async with self._sent(call, vendor, credential, more_headers) as response:
                        chunks = _with_idle_limit(response.aiter_raw(), self._limits.idle_s)
                        head = response.status_code, response.headers
                        reply = await self._read(*head, chunks, open_sink, pictures, on_event)
                call = exchange.send(reply)
        except StopIteration as stop:
            outcome: Outcome = stop.value
            return outcome
        except VendorFailure as failure:
            raise failure.without(credential) from failure
        finally:
            exchange.close()

    async def _asked(
        self,
        light: HttpTransport,
        call: Call,
        vendor: Vendor,
        credential: str,
        more: Mapping[str, str],
        open_sink: Callable[[], BlobSink],
        pictures: int,
    ) -> Reply:
        """The answer of a call without a body. Raises: VendorFailure."""
        limits = self._limits
        waits = Waits(limits.connect_s, limits.first_byte_s, limits.idle_s, vendor.timeout_s)
        arriving = await light.get(Get(vendor.base_url.rstrip("/"), call.path, credential, more), waits)
        try:
            return await self._read(arriving.status, arriving.headers, _chunks_of(arriving), open_sink, pictures, None)
        finally:
            arriving.close()

    @asynccontextmanager
    async def _sent(
        self, call: Call, vendor: Vendor, credential: str, more: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """The answer of a call, to be read inside. Raises: VendorFailure, for what goes wrong until it is read."""
        try:
            async with asyncio.timeout(vendor.timeout_s), self._response(call, vendor, credential, more) as response:
                yield response
        except TimeoutError as error:
            raise VendorFailure(Failure.TIMED_OUT, "no answer in time") from error
        except httpx.ConnectError as error:
            raise VendorFailure(Failure.UNREACHABLE, str(error)) from error
        except httpx.TransportError as error:
            raise VendorFailure(Failure.CUT, str(error)) from error

    @asynccontextmanager
    async def _response(
        self, call: Call, vendor: Vendor, credential: str, more: Mapping[str, str]
    ) -> AsyncIterator[httpx.Response]:
        """Past httpx's client: its redirects, cookies and defaults are not wanted here, and were a third of a poll."""
        body = body_of(call)
        request = httpx.Request(
            call.method,
            url_of(call, vendor),
            params=call.query or None,
            headers={**headers_of(call, credential, body), **more},
            content=body.chunks() if body is not None else None,
            extensions={"timeout": httpx.Timeout(None, connect=self._limits.connect_s).as_dict()},
        )
        async with asyncio.timeout(self._limits.first_byte_s):
            response = await self._transport.handle_async_request(request)
        try:
            yield response
        finally:
            await response.aclose()

    async def _read(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncIterator[bytes],
        open_sink: Callable[[], BlobSink],
        pictures: int,
        on_event: Callable[[Json, Blobs], None] | None,
    ) -> Reply:
        if headers.get("content-encoding", "identity") != "identity":
            raise VendorFailure(Failure.UNREADABLE, "an encoded body", status=status)
        limits = self._limits
        lifter = Lifter(
            open_sink,
            secrets.token_hex(8),
            max_document_bytes=limits.document_bytes * pictures,
            max_blob_bytes=limits.blob_bytes,
            max_blobs=limits.blobs,
        )
        document, received, allowed = bytearray(), 0, limits.answer_bytes(pictures)
        live = _Live(on_event, lifter.blobs) if on_event is not None and _is_stream(headers) else None
        try:
            async for chunk in chunks:
                received += len(chunk)
                if received > allowed:
                    raise VendorFailure(Failure.UNREADABLE, "an answer without end", status=status)
                lifted = lifter.feed(chunk)
                document += lifted
                if live is not None:
                    live.feed(lifted)
            document += lifter.close()
            return self._reply(status, headers, bytes(document), lifter.blobs)
        except (LiftError, SseEventTooLarge) as error:
            raise VendorFailure(Failure.UNREADABLE, str(error), status=status) from error
        finally:
            lifter.abort()
            document.clear()  # a failure's traceback would hold it until garbage is looked for

    def _reply(self, status: int, headers: Mapping[str, str], body: bytes, blobs: Blobs) -> Reply:
        document, is_json, events = None, False, None
        if _is_stream(headers) or looks_like_sse(body[:64]):
            events = _events(body)
        else:
            with suppress(orjson.JSONDecodeError):
                document, is_json = orjson.loads(body), True
        return Reply(
            status=status,
            document=document,
            is_json=is_json,
            events=events,
            text=body[: TEXT_CHARS * 4].decode("utf-8", "replace")[:TEXT_CHARS],
            retry_after_s=retry_after_s(headers.get("retry-after"), self._clock),
            blobs=blobs,
        )


class _Live:
    """Tells the events of a stream as they come. Whether the stream as a whole makes sense is found out at its end."""

    def __init__(self, tell: Callable[[Json, Blobs], None], blobs: Blobs) -> None:
        self._parser = SseParser()
        self._tell = tell
        self._blobs = blobs

    def feed(self, text: bytes) -> None:
        """Takes the next bytes, pictures lifted out. Raises: SseEventTooLarge."""
        for event in self._parser.feed(text):
            with suppress(orjson.JSONDecodeError):
                self._tell(orjson.loads(event.data), self._blobs)


def _is_stream(headers: Mapping[str, str]) -> bool:
    return "text/event-stream" in headers.get("content-type", "")


def _is_light(call: Call) -> bool:
    return call.method == "GET" and call.auth == "bearer" and not call.query


async def _chunks_of(arriving: Arriving) -> AsyncIterator[bytes]:
    while (chunk := await arriving.chunk()) != b"":
        if chunk is not None:  # else it is only quiet
            yield chunk


async def _with_idle_limit(chunks: AsyncIterator[bytes], idle_s: float) -> AsyncIterator[bytes]:
    while True:
        try:
            async with asyncio.timeout(idle_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        yield chunk


def url_of(call: Call, vendor: Vendor) -> str:
    """Where a call goes, without its query. What the catalog says is kept as it is, a double slash too."""
    return vendor.base_url.rstrip("/") + call.path


def headers_of(call: Call, credential: str, body: Body | None) -> dict[str, str]:
    """The header fields of a call; those of the connection are not among them."""
    auth = {"authorization": f"Bearer {credential}"} if call.auth == "bearer" else {"x-goog-api-key": credential}
    headers = {
        **auth,
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
        "accept": "application/json, text/event-stream",
    }
    if body is not None:
        headers |= {"content-type": body.content_type, "content-length": str(body.length)}
    return headers


def _events(body: bytes) -> tuple[Json, ...]:
    """The JSON data of each event; an event without data, or `[DONE]`, says nothing."""
    parser = SseParser()
    documents = []
    for event in [*parser.feed(body), *parser.close()]:
        data = event.data.strip()
        if data and data != b"[DONE]":
            try:
                documents.append(orjson.loads(data))
            except orjson.JSONDecodeError as error:
                raise VendorFailure(Failure.UNREADABLE, "an event that is not JSON") from error
    return tuple(documents)


def retry_after_s(value: str | None, clock: Clock) -> float | None:
    """Seconds to wait by a Retry-After header (RFC 9110, 10.2.3): a number or a date; None when it says nothing."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - clock.now()
        except ValueError:
            return None
    return seconds if 0 <= seconds < float("inf") else None
