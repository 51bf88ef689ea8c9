"""Google's generateContent for image models: keys in both casings in, inline pictures and thoughts out."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from app.sandbox.chat_shapes import FRIENDLY, REFUSED
from app.sandbox.delivery import Event
from app.sandbox.desk import Visit
from app.sandbox.easel import Handed, hand_over, paint_draft
from app.sandbox.google_reading import read_order
from app.sandbox.orders import Order, Picture
from app.sandbox.pixels import STANDARD_RATIOS, ULTRA_RATIOS, NanoModel, Tier
from app.sandbox.reading import Json
from app.sandbox.refusals import Refusal, json_response
from app.sandbox.usage import spoiled_usage

_ALL_RATIOS: Final = STANDARD_RATIOS + ULTRA_RATIOS
_THOUGHT_TOKENS: Final = 180
_PICTURE_TOKENS: Final[Mapping[Tier, int]] = {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}


@dataclass(frozen=True, slots=True)
class GeminiModel:
    """One image model of Google's: what it draws, the `imageSize` tokens it knows, whether it shows its thoughts."""

    nano: NanoModel
    sizes: tuple[Tier, ...]
    thinks: bool = False


MODELS: Final[Mapping[str, GeminiModel]] = {
    "gemini-2.5-flash-image": GeminiModel(NanoModel(STANDARD_RATIOS, "1K", first_generation=True), ()),
    "gemini-3-pro-image": GeminiModel(NanoModel(STANDARD_RATIOS, "1K"), ("1K", "2K", "4K"), thinks=True),
    "gemini-3.1-flash-image": GeminiModel(NanoModel(_ALL_RATIOS, "1K"), ("512", "1K", "2K", "4K")),
    "gemini-3.1-flash-lite-image": GeminiModel(NanoModel(_ALL_RATIOS, "1K"), ("1K",)),
    "gemini-nano-banana-2.1": GeminiModel(NanoModel(_ALL_RATIOS, "1K"), ("1K", "2K", "4K")),
}
"""Wire facts, sections 4.1 and 4.2, as of 2026-11-20."""


async def act(visit: Visit) -> Response:
    """`POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`."""
    name, _, action = visit.request.path_params["action"].rpartition(":")
    if action not in ("generateContent", "streamGenerateContent"):
        raise Refusal(404, f"Unknown method {action}.", code="not_found")
    if name not in MODELS:
        raise Refusal(404, f"models/{name} is not found for this API version.", code="not_found")
    body = visit.json_body()
    model = MODELS[name]
    reading = read_order(body, visit.references, name=name, nano=model.nano, sizes=model.sizes, strict=model.thinks)
    order = reading.order
    if (instead := await visit.admit(model=name, prompt=order.prompt, order=order)) is not None:
        return instead
    parts: list[Json] = [{"text": FRIENDLY}]
    if reading.wants_pictures:
        parts = await _parts(visit, order, model)
    if not visit.streams(action == "streamGenerateContent"):
        return visit.delivery.whole(_answer(visit, order, parts, _usage(order, model, reading.tier)))
    chunks = [_answer(visit, order, [part], None) for part in parts[:-1]]
    chunks.append(_answer(visit, order, parts[-1:], _usage(order, model, reading.tier)))
    if visit.request.query_params.get("alt") == "sse" or action == "generateContent":
        return visit.delivery.events([Event(chunk) for chunk in chunks], done=False)
    return visit.delivery.array(chunks)


async def list_models(visit: Visit) -> Response:
    """`GET /v1beta/models`."""
    return json_response({"models": [_described(name) for name in MODELS]})


async def show_model(visit: Visit) -> Response:
    """`GET /v1beta/models/{model}`."""
    name: str = visit.request.path_params["action"]
    if name not in MODELS:
        raise Refusal(404, f"models/{name} is not found for this API version.", code="not_found")
    return json_response(_described(name))


async def _parts(visit: Visit, order: Order, model: GeminiModel) -> list[Json]:
    faults = visit.faults
    if {"empty_data", "refusal", "finish_no_image", "prompt_blocked"} & faults:
        return []
    if "text_only" in faults:
        return [{"text": FRIENDLY}]
    handed = await visit.pictures(order, usually="base64")
    if "markdown_in_text" in faults:
        return [{"text": f"Here it is.\n![image]({handed[0].uri})"}]
    parts: list[Json] = []
    if model.thinks or "unmarked_draft" in faults:
        width, height = model.nano.pixels(order.ratio, tier="1K")
        draft = _inline(visit, await paint_draft(order, width=width, height=height))
        thought = {} if "unmarked_draft" in faults else {"thought": True}
        parts += [{"text": "Planning the composition.", "thought": True}, {**draft, **thought}]
    finals = [_part(one) for one in handed]
    if model.thinks:
        finals = [{**part, "thoughtSignature": "c2FuZGJveA=="} for part in finals]
    return [*parts, {"text": "Here it is."}, *finals]


def _inline(visit: Visit, picture: Picture) -> Json:
    handed = hand_over([picture], visit.sandbox.files, frozenset(), usually="base64", files_url=visit.files_url)
    return _part(handed[0])


def _part(one: Handed) -> Json:
    if one.url is not None:
        return {"fileData": {"mimeType": one.mime_type, "fileUri": one.url}}
    return {"inlineData": {"mimeType": one.mime_type, "data": one.base64}}


def _answer(visit: Visit, order: Order, parts: Sequence[Json], usage: Json | None) -> Json:
    """One response object; `usage` and the reason to finish are in the last of a stream only."""
    answer: Json = {
        "modelVersion": "gemini-other" if "wrong_model" in visit.faults else order.model,
        "responseId": uuid.uuid4().hex[:22],
    }
    if usage is not None:
        answer["usageMetadata"] = usage
    if "prompt_blocked" in visit.faults:
        answer["promptFeedback"] = {"blockReason": "PROHIBITED_CONTENT"}
    else:
        answer["candidates"] = [_candidate(visit.faults, parts, last=usage is not None)]
    return spoiled_usage(answer, visit.faults, key="usageMetadata")


def _candidate(faults: frozenset[str], parts: Sequence[Json], *, last: bool) -> Json:
    if "refusal" in faults:
        return {"index": 0, "finishReason": "IMAGE_SAFETY", "finishMessage": REFUSED}
    if "finish_no_image" in faults:
        return {"index": 0, "finishReason": "NO_IMAGE", "finishMessage": "The model gave no image."}
    content: Json = {"role": "model", "parts": list(parts)} if parts else {"role": "model"}
    reason: Json = {"finishReason": "STOP"} if last else {}
    return {"index": 0, "content": content, **reason}


def _usage(order: Order, model: GeminiModel, tier: Tier) -> Json:
    text, pictures = len(order.prompt.split()), 258 * len(order.references)
    made, thoughts = _PICTURE_TOKENS[tier], _THOUGHT_TOKENS if model.thinks else 0
    details = [{"modality": "TEXT", "tokenCount": text}, {"modality": "IMAGE", "tokenCount": pictures}]
    return {
        "promptTokenCount": text + pictures,
        "candidatesTokenCount": made,
        "thoughtsTokenCount": thoughts,
        "totalTokenCount": text + pictures + made + thoughts,
        "promptTokensDetails": details if pictures else details[:1],
        "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": made}],
    }


def _described(name: str) -> Json:
    return {
        "name": f"models/{name}",
        "version": "1",
        "displayName": f"Simulated {name}",
        "inputTokenLimit": 32768,
        "outputTokenLimit": 32768,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }
