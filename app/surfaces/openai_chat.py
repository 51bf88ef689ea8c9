"""OpenAI's chat completions: for image models a conversation in, pictures in a message out; for text models only the
few fields that we act on are read, since their bodies pass through.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, Literal

from app.core.chat import ChatRequest
from app.core.errors import GatewayError, InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageAnswer, ImageRequest, ServedImage, Warning
from app.core.media import Blobs, BlobText
from app.wire.conversation import read_conversation
from app.wire.fields import read_image_fields, without_pictures
from app.wire.openai import base64_of, error_body, oneshape
from app.wire.outgoing import Joined
from app.wire.references import References
from app.wire.said import ignored, shown

ChatImageStyle = Literal["markdown", "data", "url"]
"""How `content` shows a picture: a URL in Markdown, a data URI in Markdown, or a bare URL."""

_TOKENS_MAX: Final = 10_000_000
_CHOICES_MAX: Final = 128
_ELSEWHERE = frozenset({"messages", "modalities", "stream_options"})
_IGNORED: Final = frozenset(
    {
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "reasoning_effort",
        "service_tier",
        "stop",
        "store",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "verbosity",
        "web_search_options",
    }
)
"""Options of text (wire-facts 2.1) that mean nothing for pictures."""


def parse_image(body: Mapping[str, Json], blobs: Blobs) -> ImageRequest:
    """An order for pictures. `response_format` is `url` when not said; an object is what text models take: ignored.

    Raises:
        InvalidRequest: a field is wrong, fields contradict each other, or `messages` hold no prompt.
    """
    of_text = ("response_format",) if isinstance(body.get("response_format"), dict) else ()
    fields = {key: value for key, value in body.items() if key not in of_text}
    request = read_image_fields(fields, elsewhere=_ELSEWHERE, ignored=_IGNORED)
    _demand_stream_for_options(body, stream=request.stream)
    wants_usage(body)
    references = References(blobs)
    conversation = read_conversation(body.get("messages"), references)
    told = "'modalities' leaves pictures out, but this model draws."
    text_only = [Warning("ignored", "modalities", told)] if without_pictures(body.get("modalities")) else []
    return replace(
        request,
        prompt=conversation.prompt,
        history=conversation.history,
        inputs=references.inputs,
        response_format=request.response_format or "url",
        warnings=(*request.warnings, *map(ignored, of_text), *text_only, *references.warnings, *conversation.warnings),
    )


def parse_text(document: Mapping[str, Json], body: bytes) -> ChatRequest:
    """A text request; `document` is what `body` reads as.

    Raises: InvalidRequest: a field that we act on is missing or wrong. All others are the vendor's to judge.
    """
    messages = document.get("messages")
    if not isinstance(messages, list) or not messages:
        code = "missing_required_parameter" if messages is None else "invalid_value"
        raise InvalidRequest("'messages' must be an array with at least one message.", code=code, param="messages")
    stream = document.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise InvalidRequest(f"'stream' must be true or false, not {shown(stream)}.", param="stream")
    _demand_stream_for_options(document, stream=bool(stream))
    limits = [_whole_number(document, name, most=_TOKENS_MAX) for name in ("max_completion_tokens", "max_tokens")]
    return ChatRequest(
        model=document["model"],
        body=body,
        stream=bool(stream),
        shows_usage=wants_usage(document),
        stream_options="stream_options" in document,
        max_output_tokens=next((limit for limit in limits if limit is not None), None),
        choices=_whole_number(document, "n", most=_CHOICES_MAX) or 1,
    )


def model_of(document: Mapping[str, Json]) -> str:
    """The model that is asked for. Raises: InvalidRequest."""
    model = document.get("model")
    if not isinstance(model, str) or not model:
        code = "missing_required_parameter" if model in (None, "") else "invalid_value"
        raise InvalidRequest("'model' must be the name of a model.", code=code, param="model")
    return model


def _whole_number(document: Mapping[str, Json], name: str, *, most: int) -> int | None:
    value = document.get(name)
    if value is not None and (type(value) is not int or not 1 <= value <= most):
        raise InvalidRequest(f"'{name}' must be a whole number from 1 to {most}, not {shown(value)}.", param=name)
    return value


def _demand_stream_for_options(body: Mapping[str, Json], *, stream: bool) -> None:
    """As OpenAI does. Raises: InvalidRequest."""
    if body.get("stream_options") is not None and not stream:
        raise InvalidRequest("'stream_options' is only for streams: set 'stream' to true.", param="stream_options")


def wants_usage(body: Mapping[str, Json]) -> bool:
    """Whether the client asked for a usage chunk. Raises: InvalidRequest when `stream_options` make no sense."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise InvalidRequest(f"'stream_options' must be an object, not {shown(options)}.", param="stream_options")
    include = options.get("include_usage")
    if not isinstance(include, bool | None):
        raise InvalidRequest(
            f"'stream_options.include_usage' must be true or false, not {shown(include)}.",
            param="stream_options.include_usage",
        )
    return include or False


def completion_id_of(task_id: str) -> str:
    """The id of a task's completion: the same each time it is answered."""
    return f"chatcmpl-{task_id.rpartition('_')[2]}"


def render(answer: ImageAnswer, *, completion_id: str, style: ChatImageStyle) -> Json:
    """The body of a finished request."""
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": int(answer.created_at),
        "model": answer.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": _content(answer, style), "images": _images(answer)},
                "finish_reason": "stop",
            }
        ],
        "media": {"outputs": _outputs(answer)},
        "usage": _usage(answer),
        "oneshape": oneshape(answer),
    }


def role_chunk(*, completion_id: str, model: str, created_at: float, include_usage: bool) -> Json:
    """The chunk that opens a stream at once, long before there is a picture."""
    head = _chunk(completion_id, created_at, model, include_usage=include_usage)
    return head | {"choices": [_choice({"role": "assistant", "content": ""}, None)]}


def render_stream(answer: ImageAnswer, *, completion_id: str, style: ChatImageStyle, include_usage: bool) -> list[Json]:
    """The chunks after the role chunk: the pictures, the end, and the usage when asked for. `[DONE]` is not there."""
    head = _chunk(completion_id, answer.created_at, answer.model, include_usage=include_usage)
    pictures = head | {
        "choices": [_choice({"content": _content(answer, style), "images": _images(answer)}, None)],
        "media": {"outputs": _outputs(answer)},
    }
    end = head | {"choices": [_choice({}, "stop")], "oneshape": oneshape(answer)}
    usage = [head | {"choices": [], "usage": _usage(answer)}] if include_usage else []
    return [pictures, end, *usage]


def render_error(error: GatewayError) -> Json:
    """The body of a failed request, and the data that ends a stream that failed after it began."""
    return error_body(error)


def needs_bytes(style: ChatImageStyle, request: ImageRequest) -> bool:
    """Whether rendering needs the pictures' bytes, and not only their URLs."""
    return style == "data" or request.response_format == "b64_json"


def _content(answer: ImageAnswer, style: ChatImageStyle) -> Json:
    """The vendor's text, if any, then a line for each picture."""
    parts: list[str | BlobText] = [answer.text.rstrip() + "\n\n"] if answer.text.strip() else []
    before, after = ("", "") if style == "url" else ("![image](", ")")
    for index, served in enumerate(answer.images):
        source = base64_of(served, as_data_uri=True) if style == "data" else _source(answer, served)
        parts += ["\n" + before if index else before, source, after]
    if any(isinstance(part, BlobText) for part in parts):
        return Joined(tuple(parts))
    return "".join(part for part in parts if isinstance(part, str))


def _images(answer: ImageAnswer) -> Json:
    return [
        {"type": "image_url", "index": index, "image_url": {"url": _source(answer, served)}}
        for index, served in enumerate(answer.images)
    ]


def _outputs(answer: ImageAnswer) -> Json:
    return [_source(answer, served) for served in answer.images]


def _source(answer: ImageAnswer, served: ServedImage) -> str | BlobText:
    return base64_of(served, as_data_uri=True) if answer.response_format == "b64_json" else served.url


def _usage(answer: ImageAnswer) -> Json:
    return {
        "prompt_tokens": answer.usage.input_tokens,
        "completion_tokens": answer.usage.output_tokens,
        "total_tokens": answer.usage.total_tokens,
    }


def _chunk(completion_id: str, created_at: float, model: str, *, include_usage: bool) -> dict[str, Json]:
    head = {"id": completion_id, "object": "chat.completion.chunk", "created": int(created_at), "model": model}
    return {**head, "usage": None} if include_usage else head


def _choice(delta: Json, finish_reason: str | None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}
