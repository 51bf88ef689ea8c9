"""Text chat at an OpenAI-compatible vendor: the client's body goes there as it is, but for the model's name and, in
streams, for the usage that we ask for. Answers are read for their usage and go back as they came.

Sources: wire-facts 2.1-2.3.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from app.core.catalog import Option, Target
from app.core.chat import BYTES_PER_TOKEN, ChatRequest
from app.core.dialect import option
from app.core.exchange import Failure, Json, Reply, VendorFailure
from app.core.pricing import TokenUsage
from app.wire.chat_events import ChatEvents
from app.wire.chat_forms import chunks_of, completion_of, has_choices
from app.wire.splice import with_members, with_model
from app.wire.sse import SseParser, looks_like_sse
from app.wire.vendor_errors import DETAIL_CHARS, classify
from app.wire.vendor_usage import plausible

PATH: Final = "/chat/completions"
OPTIONS: Final[Mapping[str, Option]] = {
    "stream_usage": Option(True, "Ask for the usage in streams (stream_options.include_usage); off: it is estimated."),
}


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A whole answer: the vendor's JSON object as bytes and as it reads, and what it used (None: it did not say)."""

    body: bytes
    document: dict[str, Json]
    usage: TokenUsage | None


def encode(request: ChatRequest, target: Target) -> bytes:
    """The body to send to this target."""
    model = orjson.dumps(target.model)
    if request.stream and not request.shows_usage and option(OPTIONS, target, "stream_usage"):
        return with_model(_asking_for_usage(request), model)
    return with_model(request.body, model)


def events(request: ChatRequest, public_model: str) -> ChatEvents:
    """The reader of the target's stream."""
    return ChatEvents(public_model=public_model, hide_usage=not request.shows_usage)


def decode(reply_body: bytes, *, status: int, content_type: str, retry_after_s: float | None = None) -> ChatAnswer:
    """Reads a whole reply, which may be an event stream although none was asked for.

    Raises: VendorFailure: it is an error, or no chat completion.
    """
    if "text/event-stream" in content_type or looks_like_sse(reply_body[:64]):
        return _from_events(reply_body, status, retry_after_s)
    try:
        document, is_json = orjson.loads(reply_body), True
    except orjson.JSONDecodeError:
        document, is_json = None, False
    if status == 200 and has_choices(document):
        return ChatAnswer(reply_body, document, usage_in(document.get("usage")))
    raise _failure(reply_body, status, retry_after_s, document=document, is_json=is_json)


def render(answer: ChatAnswer, *, public_model: str, oneshape: Json) -> bytes:
    """The answer for the client: the vendor's bytes, with the public model's name, and our account of it at the end."""
    model = {"model": public_model} if "model" in answer.document else {}
    if "oneshape" in answer.document:
        return with_members(answer.body, {**model, "oneshape": oneshape})
    body = with_model(answer.body, orjson.dumps(public_model)) if model else answer.body
    end = body.rindex(b"}")
    return body[:end] + b',"oneshape":' + orjson.dumps(oneshape) + b"}"


def stream_of(answer: ChatAnswer, *, public_model: str, shows_usage: bool) -> bytes:
    """A whole answer as the events of a stream, without `[DONE]`."""
    chunks = chunks_of({**answer.document, "model": public_model}, shows_usage=shows_usage)
    return b"".join(b"data: " + orjson.dumps(chunk) + b"\n\n" for chunk in chunks)


def output_tokens_of(answer: ChatAnswer) -> int:
    """About how many tokens an answer has, where the vendor does not say."""
    said = [choice.get("message") for choice in answer.document["choices"]]
    return -(-len(orjson.dumps(said)) // BYTES_PER_TOKEN)


def usage_in(usage: Json) -> TokenUsage | None:
    """Tokens as a vendor reports them; None when a count is missing or makes no sense (fault-cases F82)."""
    if not isinstance(usage, dict):
        return None
    input_tokens, output_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if not (plausible(input_tokens) and plausible(output_tokens)):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return TokenUsage(input_tokens, output_tokens, min(cached, input_tokens) if plausible(cached) else 0)


def _asking_for_usage(request: ChatRequest) -> bytes:
    if request.stream_options:
        options = orjson.loads(request.body).get("stream_options") or {}
        return with_members(request.body, {"stream_options": {**options, "include_usage": True}})
    start = request.body.index(b"{") + 1
    return request.body[:start] + b'"stream_options":{"include_usage":true},' + request.body[start:]


def _from_events(body: bytes, status: int, retry_after_s: float | None) -> ChatAnswer:
    parser = SseParser()
    said = [event.data.strip() for event in (*parser.feed(body), *parser.close())]
    try:
        chunks = [orjson.loads(data) for data in said if data and data != b"[DONE]"]
    except orjson.JSONDecodeError as error:
        raise VendorFailure(Failure.UNREADABLE, "an event that is not JSON", status=status) from error
    broken = [chunk for chunk in chunks if not has_choices(chunk) and not _only_usage(chunk)]
    if status != 200 or broken or not any(map(has_choices, chunks)):
        raise _failure(body, status, retry_after_s, events=tuple(chunks))
    document = completion_of(chunks)
    return ChatAnswer(orjson.dumps(document), document, usage_in(document.get("usage")))


def _only_usage(chunk: Json) -> bool:
    return isinstance(chunk, dict) and not chunk.get("error") and not chunk.get("choices")


def _failure(
    body: bytes,
    status: int,
    retry_after_s: float | None,
    *,
    document: Json = None,
    is_json: bool = False,
    events: tuple[Json, ...] | None = None,
) -> VendorFailure:
    """What is wrong with a reply that is no answer."""
    text = body[: DETAIL_CHARS * 4].decode("utf-8", "replace")
    reply = Reply(status, document, is_json, events, text, retry_after_s)
    failure = classify(reply)
    return failure or VendorFailure(Failure.UNREADABLE, text[:DETAIL_CHARS], status=status)
