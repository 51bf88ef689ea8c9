"""InfinityBlue's chat format, as its page shows it: a Markdown data URI in JPEG inside an ordinary chat completion."""

import uuid
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from app.sandbox.chat_shapes import content_pieces, message_of, needs_base64
from app.sandbox.delivery import Event
from app.sandbox.desk import Visit
from app.sandbox.orders import Order
from app.sandbox.pixels import STANDARD_RATIOS, NanoModel, Tier, nano, nano_first
from app.sandbox.reading import Json, chat_order, flag_at, object_at, one_of, text_at
from app.sandbox.refusals import Refusal
from app.sandbox.usage import spoiled_usage

_MODELS: Final[Mapping[str, NanoModel]] = {
    "nanobanana": nano_first(),
    "nanobanana_pro": nano("1K"),
    "nanobanana_2": nano("1K"),
}
_SIZES: Final[Mapping[str, Tier]] = {"512": "512", "0.5K": "512", "1K": "1K", "2K": "2K", "4K": "4K"}
"""The page shows "2K" only. Half sizes are taken for the second generation; nobody has documented its tokens."""
_CAMEL: Final = ("imageConfig", "aspectRatio", "imageSize")
_TOKENS_PER_PICTURE: Final = 1120


async def complete(visit: Visit) -> Response:
    """`POST /v1/chat/completions`."""
    body = visit.json_body()
    order = _read(visit, body)
    asked_stream = flag_at(body, "stream")
    if (instead := await visit.admit(model=order.model, prompt=order.prompt, order=order, body=body)) is not None:
        return instead
    visit.faults = needs_base64(visit.faults)
    handed = await visit.pictures(order, usually="base64")
    message = message_of(handed, visit.faults, usually="markdown")
    prompt_tokens = len(order.prompt.split()) + 258 * len(order.references)
    usage = _usage(prompt_tokens, _TOKENS_PER_PICTURE * len(handed))
    base: Json = {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "model": "nanobanana_other" if "wrong_model" in visit.faults else order.model,
        "created": visit.now_s,
    }
    if visit.streams(asked_stream):
        return visit.delivery.events(_stream(base, message, usage, visit.faults))
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    choices = [] if "empty_data" in visit.faults else [choice]
    answer = {**base, "object": "chat.completion", "choices": choices, "usage": usage}
    return visit.delivery.whole(spoiled_usage(answer, visit.faults))


def _read(visit: Visit, body: Json) -> Order:
    name = text_at(body, "model", required=True)
    if name not in _MODELS:
        raise Refusal(404, f"Model {name} does not exist.", code="model_not_found", param="model")
    google = object_at(body, "extra_body", "google")
    config = object_at(google, "image_config")
    camel = [key for key in (*google, *config) if key in _CAMEL]
    if camel:
        # Relays of this family refuse camelCase here instead of ignoring it (wire facts, section 0.5).
        raise Refusal(400, f"extra_body.google: {camel[0]} must be written in snake_case.", param="extra_body")
    ratio = one_of(text_at(config, "aspect_ratio"), STANDARD_RATIOS, param="aspect_ratio")
    size = one_of(text_at(config, "image_size"), tuple(_SIZES), param="image_size")
    prompt, references = chat_order(body, visit.references)
    width, height = _MODELS[name].pixels(ratio, tier=_SIZES[size] if size else None)
    return Order(
        vendor="infinityblue",
        model=name,
        prompt=prompt,
        width=width,
        height=height,
        ratio=ratio,
        format="jpeg",
        references=references,
    )


def _stream(base: Json, message: Json, usage: Json, faults: frozenset[str]) -> list[Event]:
    """The page shows no stream; this is how a chat completion is usually told in events."""
    base = {**base, "object": "chat.completion.chunk"}
    if "empty_data" in faults:
        return [Event({**base, "choices": []})]
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    *early, last = content_pieces(message["content"], faults)
    deltas += [{"content": piece} for piece in early]
    deltas.append({**message, "content": last})
    chunks: list[Json] = [
        {**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    final: Json = {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": usage}
    return [Event(chunk) for chunk in (*chunks, spoiled_usage(final, faults))]


def _usage(prompt_tokens: int, completion_tokens: int) -> Json:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }
