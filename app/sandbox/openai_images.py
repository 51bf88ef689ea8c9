"""OpenAI's images API: generations in JSON, edits in multipart or JSON, base64 back. Vendor extensions are refused."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from starlette.datastructures import UploadFile
from starlette.responses import Response

from app.sandbox.chat_shapes import FRIENDLY
from app.sandbox.delivery import Event
from app.sandbox.desk import Visit
from app.sandbox.easel import Handed, hand_over, paint_partial
from app.sandbox.orders import Order, Picture, PictureFormat, Reference
from app.sandbox.reading import Json, flag_at, format_of, one_of, text_at, whole_number_at
from app.sandbox.references import image_size
from app.sandbox.refusals import Refusal
from app.sandbox.usage import spoiled_usage

MODELS: Final = (
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "chatgpt-image-latest",
)
"""Live on 2026-11-20 (wire facts, section 1.1)."""
_FIXED_SIZES: Final = ("1024x1024", "1536x1024", "1024x1536")
_FIXED_SIZE_MODELS: Final = frozenset({"gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"})
_FORMATS: Final[tuple[PictureFormat, ...]] = ("png", "webp", "jpeg")
_COMMON: Final = frozenset(
    [
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "stream",
        "partial_images",
        "user",
        "safety_identifier",
        "moderation",
    ]
)
_EDITS: Final = _COMMON | {"image", "images", "mask", "input_fidelity"}
_QUALITIES: Final = ("auto", "low", "medium", "high")
_MANY_QUALITIES: Final = (*_QUALITIES, "xhigh", "max")
_TOKENS: Final[Mapping[str, int]] = {"low": 272, "medium": 1056, "high": 4160}
_EDGE_MAX: Final = 3840
_PIXELS_MAX: Final = 3840 * 2160
_NUMBERS: Final = frozenset({"n", "output_compression", "partial_images"})
_MASK_BYTES_MAX: Final = 4 * 1024 * 1024
_UPLOADS_MAX: Final = 16
_TEXT_PART_BYTES_MAX: Final = 32 * 1024 * 1024


async def generate(visit: Visit) -> Response:
    """`POST /v1/images/generations`."""
    body = visit.json_body()
    _refuse_unknown(body, _COMMON)
    return await _make(visit, body, (), event="image_generation")


async def edit(visit: Visit) -> Response:
    """`POST /v1/images/edits`, multipart or JSON."""
    if visit.request.headers.get("content-type", "").startswith("multipart/form-data"):
        body, references, mask = await _multipart(visit)
    else:
        body = visit.json_body()
        references = _json_images(visit, body.get("images"))
        mask = _json_images(visit, [body["mask"]])[0] if "mask" in body else None
    _refuse_unknown(body, _EDITS)
    if not 1 <= len(references) <= _UPLOADS_MAX:
        raise Refusal(400, f"1 to {_UPLOADS_MAX} images are needed.", code="missing_required_parameter", param="image")
    one_of(text_at(body, "input_fidelity"), ("high", "low"), param="input_fidelity")
    _check_mask(mask, references[0])
    return await _make(visit, body, references, event="image_edit")


async def _make(visit: Visit, body: Json, references: tuple[Reference, ...], *, event: str) -> Response:
    order = replace(_read(body), references=references)
    quality = _quality(body, order.model)
    asked_stream = flag_at(body, "stream")
    partials = whole_number_at(body, "partial_images", default=0, allowed=range(4))
    if (instead := await visit.admit(model=order.model, prompt=order.prompt, order=order)) is not None:
        return instead
    if "refusal" in visit.faults:
        return visit.style(Refusal(400, "Your request was rejected by the safety system.", code="moderation_blocked"))
    handed = await visit.pictures(order, usually="base64")
    about: Json = {
        "background": "opaque" if body.get("background") in (None, "auto") else body["background"],
        "output_format": order.format,
        "quality": quality,
        "size": f"{order.width}x{order.height}",
    }
    usage = _usage(order, quality, made=len(handed))
    if visit.streams(asked_stream):
        events = await _events(visit, order, handed, about, usage, event=event, partials=partials)
        return visit.delivery.events(events, done=False)
    data = [{"revised_prompt": FRIENDLY}] if "text_only" in visit.faults else [_item(one) for one in handed]
    answer = {"created": visit.now_s, "data": data, **about, "usage": usage}
    return visit.delivery.whole(spoiled_usage(answer, visit.faults))


async def _events(
    visit: Visit, order: Order, handed: list[Handed], about: Json, usage: Json, *, event: str, partials: int
) -> list[Event]:
    events = []
    for index in range(partials):
        partial = _inline(visit, await paint_partial(order, index))
        name = f"{event}.partial_image"
        body = {"type": name, **_item(partial), "created_at": visit.now_s, **about, "partial_image_index": index}
        events.append(Event(body, name))
    name = f"{event}.completed"
    for one in [] if "text_only" in visit.faults else handed:
        body = {"type": name, **_item(one), "created_at": visit.now_s, **about, "usage": usage}
        events.append(Event(spoiled_usage(body, visit.faults), name))
    return events


def _read(body: Json) -> Order:
    name = text_at(body, "model", required=True)
    if name not in MODELS:
        raise Refusal(400, f"The model '{name}' does not exist.", code="model_not_found", param="model")
    picture_format = format_of(text_at(body, "output_format"), _FORMATS, default="png", param="output_format")
    compression = whole_number_at(body, "output_compression", default=100, allowed=range(101))
    if compression != 100 and picture_format == "png":
        raise Refusal(400, "Compression less than 100 is not supported for PNG.", param="output_compression")
    background = one_of(text_at(body, "background"), ("transparent", "opaque", "auto"), param="background")
    if background == "transparent" and picture_format == "jpeg":
        raise Refusal(400, "Transparent background needs png or webp.", param="background")
    one_of(text_at(body, "moderation"), ("low", "auto"), param="moderation")
    width, height = _size(text_at(body, "size"), name)
    prompt = text_at(body, "prompt", required=True)
    if len(prompt) > 32_000:
        raise Refusal(
            400, "prompt is too long: at most 32000 characters.", code="string_above_max_length", param="prompt"
        )
    return Order(
        vendor="openai",
        model=name,
        prompt=prompt,
        width=width,
        height=height,
        ratio=None,
        format=picture_format,
        n=whole_number_at(body, "n", default=1, allowed=range(1, 11)),
    )


def _size(size: str | None, model: str) -> tuple[int, int]:
    if size in (None, "auto"):
        return 1024, 1024
    matched = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size or "")
    if matched is None or (model in _FIXED_SIZE_MODELS and size not in _FIXED_SIZES):
        raise Refusal(400, f"Invalid size '{size}'. Supported: {', '.join(_FIXED_SIZES)} and auto.", param="size")
    width, height = int(matched[1]), int(matched[2])
    if width % 16 or height % 16 or not width or not height:
        raise Refusal(400, f"Invalid size '{size}'. Width and height must be divisible by 16.", param="size")
    if max(width, height) > 3 * min(width, height):
        raise Refusal(400, f"Invalid size '{size}'. The ratio must be between 1:3 and 3:1.", param="size")
    if max(width, height) > _EDGE_MAX or width * height > _PIXELS_MAX:
        raise Refusal(400, f"Invalid size '{size}'. The maximum is 3840x2160.", param="size")
    return width, height


def _quality(body: Json, model: str) -> str:
    allowed = _MANY_QUALITIES if model.startswith(("gpt-image-2.5", "gpt-image-2.6")) else _QUALITIES
    quality = one_of(text_at(body, "quality"), allowed, param="quality")
    return "high" if quality in (None, "auto") else quality


def _usage(order: Order, quality: str, *, made: int) -> Json:
    text, pictures = len(order.prompt.split()), 560 * len(order.references)
    out = _TOKENS.get(quality, 4160) * made
    return {
        "input_tokens": text + pictures,
        "output_tokens": out,
        "total_tokens": text + pictures + out,
        "input_tokens_details": {"text_tokens": text, "image_tokens": pictures},
        "output_tokens_details": {"image_tokens": out, "text_tokens": 0},
    }


def _refuse_unknown(body: Json, known: frozenset[str]) -> None:
    for name in body:
        if name not in known:
            raise Refusal(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)


def _item(one: Handed) -> Json:
    return {"url": one.url} if one.url is not None else {"b64_json": one.base64}


def _inline(visit: Visit, picture: Picture) -> Handed:
    return hand_over([picture], visit.sandbox.files, frozenset(), usually="base64", files_url=visit.files_url)[0]


def _check_mask(mask: Reference | None, first: Reference) -> None:
    if mask is None or mask.data is None or first.data is None:
        return
    if not mask.data.startswith(b"\x89PNG") or len(mask.data) > _MASK_BYTES_MAX:
        raise Refusal(400, "mask must be a PNG of less than 4 MB.", param="mask")
    if image_size(mask.data) != image_size(first.data):
        raise Refusal(400, "mask and image must have the same size.", param="mask")


async def _multipart(visit: Visit) -> tuple[Json, tuple[Reference, ...], Reference | None]:
    """Fields with their types restored, uploaded images in order, and the mask."""
    body: Json = {}
    images: list[Reference] = []
    mask: Reference | None = None
    async with visit.request.form(max_part_size=_TEXT_PART_BYTES_MAX) as form:
        for name, value in form.multi_items():
            if isinstance(value, str):
                body[name] = _typed(name, value)
            elif name in ("image", "image[]"):
                images.append(await _upload(visit, value, param="image"))
            elif name == "mask":
                mask = await _upload(visit, value, param="mask")
            else:
                raise Refusal(400, f"Unknown parameter: '{name}'.", code="unknown_parameter", param=name)
    return body, tuple(images), mask


async def _upload(visit: Visit, upload: UploadFile, *, param: str) -> Reference:
    return visit.references.from_upload(await upload.read(), param=param)


def _typed(name: str, value: str) -> object:
    if name in _NUMBERS and value.lstrip("-").isdigit():
        return int(value)
    return {"true": True, "false": False}.get(value, value) if name == "stream" else value


def _json_images(visit: Visit, value: object) -> tuple[Reference, ...]:
    listed = value if isinstance(value, list) else []
    read = []
    for one in listed:
        match one:
            case {"image_url": str(url), **rest} if not rest:
                read.append(visit.references.from_url(url, param="images"))
            case _:
                raise Refusal(400, "An image must have exactly one of image_url and file_id.", param="images")
    return tuple(read)
