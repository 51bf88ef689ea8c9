"""The image fields of a client's JSON, in every accepted spelling and place (contract, "Image request fields").

Not here: the pictures, and the prompt where it is not a field. Whether a model offers what is asked is settled later.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app.core.errors import InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageRequest, OutputFormat, ResponseFormat, TaskType, Warning
from app.core.shape import RESOLUTIONS, Resolution, Size, parse_resolution, parse_size
from app.wire.said import Refused, Said, Scope

OPTIONS: Final = ("quality", "background", "style", "moderation", "input_fidelity", "safety_identifier")
"""OpenAI's fields that only some vendors have, all texts; `seed` is the one number beside them."""

PARTIAL_IMAGES_MAX: Final = 3
METADATA_KEYS_MAX: Final = 16
METADATA_KEY_CHARS_MAX: Final = 64
METADATA_VALUE_CHARS_MAX: Final = 512
TEXT_CHARS_MAX: Final = 512

_WHOLE = re.compile(r"-?[0-9]{1,18}")

_SHAPE = {"aspect_ratio": "aspect_ratio", "resolution": "resolution", "image_size": "resolution"}
_IMAGE_RESPONSE_FORMAT = Scope(
    fields={**_SHAPE, "mime_type": "output_format"},
    ignored=frozenset({"delivery"}),
)
_IMAGE_CONFIG = Scope(
    fields={
        **_SHAPE,
        "output_format": "output_format",
        "output_mime_type": "output_format",
        "output_compression": "output_compression",
        "output_compression_quality": "output_compression",
    },
    scopes={
        "image_output_options": Scope(
            fields={"mime_type": "output_format", "compression_quality": "output_compression"}
        )
    },
    ignored=frozenset({"person_generation", "prominent_people"}),
)
_GENERATION_CONFIG = Scope(
    fields={"candidate_count": "n", "seed": "seed"},
    scopes={
        "image_config": _IMAGE_CONFIG,
        "response_format": Scope(
            scopes={"image": _IMAGE_RESPONSE_FORMAT}, ignored=frozenset({"text", "audio", "video"}), listed=True
        ),
    },
    ignored=frozenset(
        {
            "temperature",
            "top_p",
            "top_k",
            "max_output_tokens",
            "stop_sequences",
            "presence_penalty",
            "frequency_penalty",
            "response_logprobs",
            "logprobs",
            "response_mime_type",
            "response_schema",
            "response_json_schema",
            "thinking_config",
            "media_resolution",
            "speech_config",
        }
    ),
    elsewhere=frozenset({"response_modalities"}),
)
_SCOPES = {
    "google": Scope(
        scopes={"image_config": _IMAGE_CONFIG, "generation_config": _GENERATION_CONFIG},
        ignored=frozenset({"thinking_config", "cached_content", "safety_settings", "tools"}),
    ),
    "image_config": _IMAGE_CONFIG,
    "generation_config": _GENERATION_CONFIG,
}
_FIELDS = {
    **_SHAPE,
    "--aspect_ratio": "aspect_ratio",
    "--output_format": "output_format",
    "output_mime_type": "output_format",
    **{
        name: name
        for name in (
            *("model", "n", "size", "output_format", "output_compression", "response_format", "task_type"),
            *("stream", "partial_images", "metadata", "user", "seed", *OPTIONS),
        )
    },
}
_BODY = Scope(fields=_FIELDS, scopes={**_SCOPES, "extra_body": Scope(fields=_FIELDS, scopes=_SCOPES)})

_NOT_SHOWN = Warning("ignored", "partial_images", "Only streams of the Images API show pictures while they are drawn.")

_FORMATS: Mapping[str, OutputFormat] = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
_RESPONSE_FORMATS: Mapping[str, ResponseFormat] = {"url": "url", "b64_json": "b64_json"}
_TASK_TYPES: Mapping[str, TaskType] = {"text2image": "text2image", "image2image": "image2image"}

_NUMBERS: Mapping[str, int] = {
    "ONE": 1,
    "TWO": 2,
    "THREE": 3,
    "FOUR": 4,
    "FIVE": 5,
    "EIGHT": 8,
    "NINE": 9,
    "SIXTEEN": 16,
    "TWENTY_ONE": 21,
    "FIVE_TWELVE": 512,
}


def read_image_fields(
    body: Mapping[str, Json],
    *,
    elsewhere: frozenset[str] = frozenset(),
    ignored: frozenset[str] = frozenset(),
    as_text: bool = False,
    shows_partials: bool = False,
) -> ImageRequest:
    """What a body says in fields: a request whose prompt and pictures the caller has yet to put in.

    Args:
        body: the client's JSON object, or a form's fields as one.
        elsewhere: top-level keys that the surface reads itself, in snake_case.
        ignored: top-level keys that are known on this surface and mean nothing for pictures; reported when set.
        as_text: numbers and booleans are written as texts, as forms do.
        shows_partials: the surface's streams have a place for pictures that are still being drawn.

    Raises:
        InvalidRequest: a value of the wrong type (`param` is its place), two places that disagree, or no model.
    """
    said = Said(body, replace(_BODY, elsewhere=elsewhere, ignored=ignored))
    whole, flag = (_whole_text, _flag_text) if as_text else (_whole, _flag)
    model = said.one("model", _text)
    if not model or not model.strip():
        raise InvalidRequest("A model is required.", code="missing_required_parameter", param="model")
    options = {name: value for name in OPTIONS if (value := said.one(name, _short_text)) is not None}
    seed = said.one("seed", whole)
    count = said.one("n", whole)
    stream = said.one("stream", flag) or False
    partial_images = _within(said.one("partial_images", whole), PARTIAL_IMAGES_MAX, "partial_images") or 0
    shown = partial_images if stream and shows_partials else 0
    return ImageRequest(
        model=model,
        prompt="",
        n=1 if count is None else count,
        aspect_ratio=said.one("aspect_ratio", _aspect_ratio),
        resolution=said.one("resolution", _resolution),
        size=said.one("size", _size),
        output_format=said.one("output_format", _output_format),
        output_compression=_within(said.one("output_compression", whole), 100, "output_compression"),
        response_format=said.one("response_format", _response_format),
        task_type=said.one("task_type", _task_type),
        stream=stream,
        partial_images=shown,
        options=options if seed is None else {**options, "seed": seed},
        metadata=said.one("metadata", _metadata) or {},
        user=said.one("user", _short_text),
        warnings=said.warnings if shown == partial_images else (*said.warnings, _NOT_SHOWN),
    )


def without_pictures(modalities: Json) -> bool:
    """Whether a list of what to answer with is there and names no picture, in OpenAI's words or in Google's."""
    if not isinstance(modalities, list):
        return False
    return bool(modalities) and not any(isinstance(one, str) and one.lower() == "image" for one in modalities)


def _within(value: int | None, most: int, param: str) -> int | None:
    if value is not None and not 0 <= value <= most:
        raise InvalidRequest(f"'{param}' must be from 0 to {most}.", param=param)
    return value


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise Refused("must be a text")
    return value


def _short_text(value: Json) -> str:
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise Refused(f"must be a text of at most {TEXT_CHARS_MAX} characters")
    return value


def _whole(value: Json) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refused("must be a whole number")
    return value


def _whole_text(value: Json) -> int:
    if not isinstance(value, str) or _WHOLE.fullmatch(value) is None:
        raise Refused("must be a whole number")
    return int(value)


def _flag(value: Json) -> bool:
    if not isinstance(value, bool):
        raise Refused("must be true or false")
    return value


def _flag_text(value: Json) -> bool:
    if not isinstance(value, str) or value.lower() not in ("true", "false"):
        raise Refused("must be true or false")
    return value.lower() == "true"


def _aspect_ratio(value: Json) -> str | None:
    """`W:H`, or Google's enumeration (`ASPECT_RATIO_SIXTEEN_BY_NINE`; google-genai 3.x, types.AspectRatio)."""
    ratio = _short_text(value).strip()
    if not ratio.startswith("ASPECT_RATIO_"):
        return ratio
    width, _, height = ratio.removeprefix("ASPECT_RATIO_").partition("_BY_")
    if width == "UNSPECIFIED":
        return None
    return f"{_NUMBERS.get(width, width)}:{_NUMBERS.get(height, height)}"


def _resolution(value: Json) -> Resolution | None:
    """A tier in any case, or Google's enumeration (`IMAGE_SIZE_TWO_K`; google-genai 3.x, types.ImageSize)."""
    text = _short_text(value)
    if text.startswith("IMAGE_SIZE_"):
        word = text.removeprefix("IMAGE_SIZE_")
        if word == "UNSPECIFIED":
            return None
        number = word.removesuffix("_K")
        text = f"{_NUMBERS.get(number, number)}{'' if number == word else 'K'}"
    if (resolution := parse_resolution(text)) is None:
        raise Refused(f"must be one of {', '.join(RESOLUTIONS)}")
    return resolution


def _size(value: Json) -> Size | None:
    text = _short_text(value).strip()
    if text.lower() == "auto":
        return None
    if (size := parse_size(text)) is None:
        raise Refused("must be a size in pixels such as 1024x1024, or auto")
    return size


def _output_format(value: Json) -> OutputFormat:
    if (meant := _FORMATS.get(_short_text(value).strip().lower().removeprefix("image/"))) is None:
        raise Refused("must be one of png, jpeg and webp")
    return meant


def _response_format(value: Json) -> ResponseFormat:
    if (meant := _RESPONSE_FORMATS.get(_short_text(value))) is None:
        raise Refused("must be url or b64_json")
    return meant


def _task_type(value: Json) -> TaskType:
    if (meant := _TASK_TYPES.get(_short_text(value))) is None:
        raise Refused("must be text2image or image2image")
    return meant


def _metadata(value: Json) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Refused("must be an object of texts")
    if len(value) > METADATA_KEYS_MAX:
        raise Refused(f"must have at most {METADATA_KEYS_MAX} keys")
    for key, text in value.items():
        if len(key) > METADATA_KEY_CHARS_MAX:
            raise Refused(f"must have keys of at most {METADATA_KEY_CHARS_MAX} characters")
        if not isinstance(text, str) or len(text) > METADATA_VALUE_CHARS_MAX:
            raise Refused(f"must have texts of at most {METADATA_VALUE_CHARS_MAX} characters as values")
    return dict(value)
