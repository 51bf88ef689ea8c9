"""One text request at one target: sent, and its answer read as far as is needed to know that it is one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.core.catalog import Target
from app.core.chat import ChatRequest
from app.core.clock import Clock
from app.core.exchange import Failure, Json, VendorFailure
from app.core.pricing import TokenUsage
from app.dialects import openai_chat
from app.dialects.openai_chat import ChatAnswer
from app.upstream.client import retry_after_s
from app.upstream.trial import Trial
from app.upstream.waiting import Arriving, ChatTransport, Post, Waits
from app.wire.chat_events import ChatEvents
from app.wire.sse import looks_like_sse

ANSWER_BYTES_MAX: Final = 32 * 2**20
"""The largest whole answer (fault-cases section 5)."""


@dataclass(frozen=True, slots=True)
class ChatWaits:
    """Seconds, where the vendor does not say: see fault-cases section 5."""

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    stream_first_byte_s: float = 60.0
    idle_s: float = 60.0


@dataclass(slots=True)
class Streaming:
    """A stream of which the first piece for the client is here. `trial` is to be ended with the stream."""

    arriving: Arriving
    events: ChatEvents
    first: bytes
    trial: Trial


class ChatCaller:
    """Calls vendors for text."""

    def __init__(self, transport: ChatTransport, *, clock: Clock, waits: ChatWaits) -> None:
        self._transport = transport
        self._clock = clock
        self._waits = waits

    async def call(
        self, request: ChatRequest, target: Target, trial: Trial, *, public_model: str
    ) -> ChatAnswer | Streaming:
        """The target's answer: whole, or for a stream request usually a stream that has begun well.

        The trial is ended with the answer, a stream's by its reader. Raises: VendorFailure.
        """
        try:
            answer = await self._call(request, target, trial, public_model)
        except VendorFailure as failure:
            trial.failed(failure)
            raise
        except BaseException:
            trial.close()
            raise
        if isinstance(answer, ChatAnswer):
            answered(trial, answer.document.get("model"), answer.usage)
            trial.delivered()
        else:
            trial.answering()
        return answer

    async def _call(
        self, request: ChatRequest, target: Target, trial: Trial, public_model: str
    ) -> ChatAnswer | Streaming:
        waits = self._waits_for(request, target)
        key = await trial.take(within_s=waits.first_byte_s)
        url = target.vendor.base_url.rstrip("/") + openai_chat.PATH
        post = Post(url, key, openai_chat.encode(request, target), trial.span.headers)
        arriving = await self._transport.post(post, waits)
        streaming = None
        try:
            if arriving.headers.get("content-encoding", "identity") != "identity":
                raise VendorFailure(Failure.UNREADABLE, "an encoded body", status=arriving.status)
            first = await _some(arriving)
            if request.stream and arriving.status == 200 and _is_stream(arriving.headers, first):
                streaming = await _begin(arriving, openai_chat.events(request, public_model), first, trial)
                return streaming
            return await self._whole(arriving, first)
        finally:
            if streaming is None:
                arriving.close()

    async def _whole(self, arriving: Arriving, first: bytes) -> ChatAnswer:
        body = bytearray(first)
        while more := await _some(arriving):
            body += more
            if len(body) > ANSWER_BYTES_MAX:
                raise VendorFailure(Failure.UNREADABLE, "an answer without an end", status=arriving.status)
        return openai_chat.decode(
            bytes(body),
            status=arriving.status,
            content_type=arriving.headers.get("content-type", ""),
            retry_after_s=retry_after_s(arriving.headers.get("retry-after"), self._clock),
        )

    def _waits_for(self, request: ChatRequest, target: Target) -> Waits:
        waits = self._waits
        return Waits(
            connect_s=waits.connect_s,
            first_byte_s=waits.stream_first_byte_s if request.stream else waits.first_byte_s,
            idle_s=waits.idle_s,
            total_s=target.vendor.timeout_s,
        )


def answered(trial: Trial, model: Json, usage: TokenUsage | None) -> None:
    """Tells whoever records traces what the vendor says of its answer. To be called before the trial ends."""
    tokens = usage or TokenUsage(0, 0)
    trial.span.answered(
        model=model if isinstance(model, str) else None,
        input_tokens=tokens.input_tokens,
        output_tokens=tokens.output_tokens,
    )


async def _begin(arriving: Arriving, events: ChatEvents, chunk: bytes, trial: Trial) -> Streaming:
    """Reads until there is something for the client: an error before that is still an error of the whole request."""
    piece = events.feed(chunk)
    while not (events.answered or events.done or events.failure) and (chunk := await _some(arriving)):
        piece = events.feed(chunk)
    if not (events.answered or events.failure):
        piece = events.close()
    if not events.answered:
        said_nothing = VendorFailure(Failure.UNREADABLE, "a stream without an event", status=arriving.status)
        raise events.failure or said_nothing
    return Streaming(arriving, events, piece, trial)


async def _some(arriving: Arriving) -> bytes:
    """The next bytes, however long the vendor is quiet within its deadlines; empty at the end."""
    while (chunk := await arriving.chunk()) is None:
        pass
    return chunk


def _is_stream(headers: Mapping[str, str], first: bytes) -> bool:
    """Told by the first bytes rather than by the declared type, which is often wrong (wire-facts section 5, row 20)."""
    return looks_like_sse(first[:64]) or (
        "text/event-stream" in headers.get("content-type", "") and first[:1] not in (b"{", b"<")
    )
