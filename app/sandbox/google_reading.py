"""Reads a generateContent body the way Google does: either casing, unknown names refused, one candidate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.sandbox.orders import Order, Reference
from app.sandbox.pixels import NanoModel, Tier
from app.sandbox.reading import Json, object_at, one_of, text_at
from app.sandbox.references import ReferenceReader
from app.sandbox.refusals import Refusal

_TOP: Final = frozenset(
    [
        "contents",
        "generationConfig",
        "safetySettings",
        "systemInstruction",
        "tools",
        "toolConfig",
        "cachedContent",
        "labels",
        "model",
    ]
)
_IMAGE_CONFIG: Final = frozenset({"aspectRatio", "imageSize"})
"""Other names exist on Vertex only and are refused here (wire facts, section 4.4)."""
_REFERENCES_MAX: Final = 14


@dataclass(frozen=True, slots=True)
class Reading:
    """What was understood: the order, its tier, and whether pictures are wanted at all."""

    order: Order
    tier: Tier
    wants_pictures: bool


def read_order(
    body: Json, references: ReferenceReader, *, name: str, nano: NanoModel, sizes: Sequence[Tier], strict: bool
) -> Reading:
    """Reads a body for a model that takes the `imageSize` tokens `sizes`. Raises Refusal (400, or the 500 below).

    `strict`: a picture in an earlier model turn must carry its thought signature.
    """
    camel = camel_keys(body)
    _refuse_unknown(camel, _TOP, "")
    generation = object_at(camel, "generationConfig")
    if generation.get("candidateCount") not in (None, 1):
        raise Refusal(400, "Multiple candidates is not enabled for this model")
    config = object_at(generation, "imageConfig")
    _refuse_unknown(config, _IMAGE_CONFIG, " at 'generation_config.image_config'")
    ratio = one_of(text_at(config, "aspectRatio"), nano.ratios, param="aspect_ratio")
    tier = _tier(text_at(config, "imageSize"), sizes)
    prompt, pictures = _contents(camel.get("contents"), references, strict=strict)
    width, height = nano.pixels(ratio, tier=tier)
    modalities = generation.get("responseModalities")
    order = Order(
        vendor="google",
        model=name,
        prompt=prompt,
        width=width,
        height=height,
        ratio=ratio,
        format="png",
        references=pictures,
    )
    return Reading(order, tier, wants_pictures=not isinstance(modalities, list) or "IMAGE" in modalities)


def camel_keys(value: Json) -> Json:
    """The same document with every key in camelCase."""
    return {_camel(name): _camel_inside(inner) for name, inner in value.items()}


def _camel_inside(value: object) -> object:
    if isinstance(value, dict):
        return camel_keys(value)
    return [_camel_inside(one) for one in value] if isinstance(value, list) else value


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def _refuse_unknown(body: Json, known: frozenset[str], where: str) -> None:
    for name in body:
        if name not in known:
            raise Refusal(400, f'Invalid JSON payload received. Unknown name "{name}"{where}: Cannot find field.')


def _tier(size: str | None, sizes: Sequence[Tier]) -> Tier:
    if size is None:
        return "1K"
    if not sizes:
        # The first generation breaks on the field instead of refusing it (wire facts, section 4.2).
        raise Refusal(500, "Internal error encountered.", code="internal_error")
    for known in sizes:
        if size == known:
            return known
    raise Refusal(400, f"Invalid value at 'generation_config.image_config.image_size': {size}", param="image_size")


def _contents(value: object, references: ReferenceReader, *, strict: bool) -> tuple[str, tuple[Reference, ...]]:
    turns = value if isinstance(value, list) else []
    if not turns or not all(isinstance(turn, dict) and isinstance(turn.get("parts"), list) for turn in turns):
        raise Refusal(400, "contents is not specified", param="contents")
    texts: list[str] = []
    pictures: list[Reference] = []
    for turn in turns:
        if turn.get("role", "user") == "user":
            texts = []
        for part in turn["parts"]:
            _read_part(part, references, texts, pictures, signed=strict and turn.get("role") == "model")
    if len(pictures) > _REFERENCES_MAX:
        raise Refusal(400, f"At most {_REFERENCES_MAX} images are supported.", param="contents")
    return " ".join(texts), tuple(pictures)


def _read_part(
    part: object, references: ReferenceReader, texts: list[str], pictures: list[Reference], *, signed: bool
) -> None:
    match part:
        case {"text": str(text)}:
            texts.append(text)
        case {"inlineData": {"mimeType": str(), "data": str(data)}, **rest}:
            if signed and "thoughtSignature" not in rest:
                raise Refusal(400, "Image part is missing a thought_signature in content position 1.")
            pictures.append(references.from_base64(data, param="inline_data"))
        case {"fileData": {"fileUri": str(uri)}}:
            pictures.append(references.from_url(uri, param="file_data"))
        case _:
            raise Refusal(400, "A part must have text, inline_data or file_data.", param="contents")
