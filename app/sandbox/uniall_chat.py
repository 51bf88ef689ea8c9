"""Uniall's chat format, as its page shows it: one SSE chunk with a bare URL and `media.outputs`. No text chat."""

import uuid
from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from app.sandbox.chat_shapes import content_pieces, message_of, needs_base64
from app.sandbox.delivery import Event
from app.sandbox.desk import Visit
from app.sandbox.orders import Order, PictureFormat
from app.sandbox.pixels import STANDARD_RATIOS, NanoModel, nano, nano_first
from app.sandbox.reading import Json, chat_order, flag_at, format_of, object_at, one_of, text_at
from app.sandbox.refusals import Refusal

MODELS: Final[Mapping[str, NanoModel]] = {
    "NanoBanana": nano_first(),
    "NanoBananaPro-1K": nano("1K"),
    "NanoBananaPro-2K": nano("2K"),
    "NanoBananaPro-4K": nano("4K"),
    "NanoBanana2-0.5K": nano("512"),
    "NanoBanana2-1K": nano("1K"),
    "NanoBanana2-2K": nano("2K"),
    "NanoBanana2-4K": nano("4K"),
}
"""The page's models. Their names are matched as they are written."""
_FORMATS: Final[tuple[PictureFormat, ...]] = ("jpeg", "png", "webp")
_EXAMPLE_MODEL: Final = "NanoBananaPro-8K"
"""The page's own answer names this model for a request that asked for another."""


def known_model(name: str) -> NanoModel:
    """The model of that name. Raises Refusal: the page's first common error is a model that is not enabled."""
    if name not in MODELS:
        raise Refusal(404, f"Model {name} is not enabled for this account.", code="model_not_found", param="model")
    return MODELS[name]


async def complete(visit: Visit) -> Response:
    """`POST /v1/chat/completions`."""
    body = visit.json_body()
    order = _read(visit, body)
    asked_stream = flag_at(body, "stream")
    if (instead := await visit.admit(model=order.model, prompt=order.prompt, order=order, body=body)) is not None:
        return instead
    visit.faults = needs_base64(visit.faults)
    handed = await visit.pictures(order, usually="url")
    message = message_of(handed, visit.faults, usually="bare")
    outputs = [] if {"text_only", "refusal", "message_images"} & visit.faults else [one.uri for one in handed]
    chunks = _chunks(visit, order.model, message, outputs)
    if visit.streams(asked_stream):
        return visit.delivery.events([Event(chunk) for chunk in chunks])
    return visit.delivery.whole(_chunks(visit, order.model, message, outputs, pieces=1)[-1])


def _read(visit: Visit, body: Json) -> Order:
    name = text_at(body, "model", required=True)
    model = known_model(name)
    nested = text_at(object_at(body, "extra_body", "google", "image_config"), "aspect_ratio")
    ratio = one_of(nested or text_at(body, "--aspect_ratio"), STANDARD_RATIOS, param="aspect_ratio")
    told = text_at(body, "--output_format")
    picture_format = format_of(told, _FORMATS, default="jpeg", param="--output_format")
    prompt, references = chat_order(body, visit.references)
    width, height = model.pixels(ratio)
    return Order(
        vendor="uniall",
        model=name,
        prompt=prompt,
        width=width,
        height=height,
        ratio=ratio,
        format=picture_format,
        references=references,
    )


def _chunks(visit: Visit, model: str, message: Json, outputs: list[str], *, pieces: int | None = None) -> list[Json]:
    """The page's single chunk; more only when a fault puts progress before it."""
    contents = [message["content"]] if pieces == 1 else content_pieces(message["content"], visit.faults)
    base: Json = {
        "id": f"chatcmpl_{uuid.uuid4().hex}",
        "object": "chat.completion.chunk",
        "created": visit.now_s,
        "model": _EXAMPLE_MODEL if "wrong_model" in visit.faults else model,
    }
    early = [
        {**base, "choices": [{"index": 0, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}]}
        for piece in contents[:-1]
    ]
    choice = {"index": 0, "delta": {**message, "content": contents[-1]}, "finish_reason": "stop"}
    choices = [] if "empty_data" in visit.faults else [choice]
    return [*early, {**base, "choices": choices, "media": {"outputs": outputs}}]
