"""What clients send and are answered, surface by surface. Unknown fields are taken and reported, so bodies are open."""

from typing import Any, Final

from app.web.openapi.shapes import (
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    WHOLE,
    Schema,
    listed,
    obj,
    one_of,
    or_null,
)

_SHORT: Final[Schema] = {"type": "string", "maxLength": 512}
MODEL: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "pattern": r"\S",
    "description": "An id or alias of `GET /v1/models`.",
}
_PROMPT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 32_000, "pattern": r"\S"}
_PICTURE: Final[Schema] = {
    "anyOf": [
        {"type": "string", "description": "An http(s) URL, or a data: URI with base64."},
        {"type": "object", "description": "With one of `url`, `image_url` and `b64_json`."},
    ]
}
_PICTURES: Final[Schema] = {"anyOf": [_PICTURE, {"type": "array", "items": _PICTURE, "maxItems": 16}]}
_METADATA: Final[Schema] = {
    "type": "object",
    "maxProperties": 16,
    "propertyNames": {"maxLength": 64},
    "additionalProperties": {"type": "string", "maxLength": 512},
}


def _body(fields: dict[str, Schema], **required: Schema) -> Schema:
    """An open object; a field that is not required may be null."""
    optional = {name: or_null(schema) for name, schema in fields.items()}
    return {"type": "object", "properties": {**required, **optional}, "required": list(required)}


SHAPE: Final[dict[str, Schema]] = {
    "aspect_ratio": {**_SHORT, "examples": ["16:9"], "description": "One of the model's ratios."},
    "resolution": {**_SHORT, "examples": ["2K"], "description": "0.5K, 1K, 2K or 4K; where the name is a family's."},
    "image_size": {**_SHORT, "description": "The same as `resolution`."},
    "size": {**_SHORT, "examples": ["1024x1024"], "description": "`WxH`, near one of the model's ratios; or auto."},
    "n": {"type": "integer", "minimum": 1, "maximum": 10},
    "output_format": {**_SHORT, "examples": ["png"], "description": "png, jpeg or webp."},
    "output_compression": {"type": "integer", "minimum": 0, "maximum": 100},
    "response_format": one_of("url", "b64_json"),
}
_FIELDS: Final[dict[str, Schema]] = {
    **SHAPE,
    "--aspect_ratio": _SHORT,
    "--output_format": _SHORT,
    "task_type": one_of("text2image", "image2image"),
    "stream": FLAG,
    "partial_images": {"type": "integer", "minimum": 0, "maximum": 3},
    "metadata": _METADATA,
    "user": _SHORT,
    **dict.fromkeys(("quality", "background", "style", "moderation", "input_fidelity", "safety_identifier"), _SHORT),
    "seed": WHOLE,
    "extra_body": OBJECT,
}
GENERATION: Final = _body({**_FIELDS, "image": _PICTURES, "images": _PICTURES}, model=MODEL, prompt=_PROMPT)
EDIT: Final = _body({**_FIELDS, "image": _PICTURES, "images": _PICTURES, "mask": _PICTURE}, model=MODEL, prompt=_PROMPT)
EDIT_FORM: Final[Schema] = {
    "type": "object",
    "properties": {
        "model": MODEL,
        "prompt": _PROMPT,
        "image": {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": 16},
        "mask": {"type": "string", "format": "binary"},
        **dict.fromkeys(("n", "aspect_ratio", "resolution", "size", "output_format", "response_format"), TEXT),
    },
    "required": ["model", "prompt", "image"],
}
ORDER: Final = _body(
    {
        **{name: schema for name, schema in _FIELDS.items() if name not in ("stream", "partial_images")},
        "image": _PICTURES,
        "images": _PICTURES,
        "webhook_url": {"type": "string", "maxLength": 2048, "pattern": r"^https?://"},
    },
    model=MODEL,
    prompt=_PROMPT,
)
CHAT: Final = _body(
    {
        "stream": FLAG,
        "stream_options": _body({"include_usage": FLAG}),
        "max_tokens": {"type": "integer", "minimum": 1},
        "max_completion_tokens": {"type": "integer", "minimum": 1},
        "n": {"type": "integer", "minimum": 1},
    },
    model=MODEL,
    messages={
        "type": "array",
        "minItems": 1,
        "items": {"type": "object"},
        "description": "For image models the text of the last user message is the prompt.",
    },
)
_PART: Final[Schema] = {
    "type": "object",
    "properties": {"text": TEXT, "inlineData": {"type": "object"}, "fileData": {"type": "object"}},
}
_CONTENT: Final[Schema] = {
    "type": "object",
    "properties": {"role": one_of("user", "model"), "parts": {"type": "array", "items": _PART}},
    "required": ["parts"],
}
CONTENTS: Final[Schema] = {
    "type": "object",
    "properties": {
        "contents": {"type": "array", "items": _CONTENT, "minItems": 1},
        "generationConfig": or_null(OBJECT),
        "systemInstruction": or_null(_CONTENT),
    },
    "required": ["contents"],
}

WARNING: Final = obj({"code": TEXT, "param": or_null(TEXT), "message": TEXT})
ACCOUNT_OF: Final = obj(
    {
        "task_id": TEXT,
        "units": COUNT,
        "images_requested": COUNT,
        "images_delivered": COUNT,
        "warnings": listed(WARNING),
    }
)
_MEASURED: Final[dict[str, Schema]] = {
    "revised_prompt": or_null(TEXT),
    "mime_type": TEXT,
    "width": COUNT,
    "height": COUNT,
}
IMAGE_ITEM: Final = obj(_MEASURED, optional={"url": TEXT, "b64_json": TEXT})
IMAGES: Final = obj(
    {
        "created": TIME,
        "model": TEXT,
        "data": listed(IMAGE_ITEM),
        "output_format": TEXT,
        "size": TEXT,
        "usage": obj(
            {
                "input_tokens": COUNT,
                "output_tokens": COUNT,
                "total_tokens": COUNT,
                "input_tokens_details": obj({"text_tokens": COUNT, "image_tokens": COUNT}),
            }
        ),
        "oneshape": ACCOUNT_OF,
    }
)
COMPLETION: Final[Schema] = {
    "type": "object",
    "properties": {
        "id": TEXT,
        "object": one_of("chat.completion"),
        "created": NUMBER,
        "model": TEXT,
        "choices": listed(OBJECT),
        "media": obj({"outputs": listed(TEXT)}),
        "oneshape": OBJECT,
    },
    "required": ["id", "object", "model", "choices", "oneshape"],
}
STATUS: Final = one_of("queued", "in_progress", "succeeded", "failed", "cancelled")
_ERROR_DETAIL: Final[Schema] = {"$ref": "#/components/schemas/ErrorDetail"}
TASK: Final = obj(
    {
        "task_id": TEXT,
        "status": STATUS,
        "progress": {"type": "string", "pattern": "^[0-9]{1,3}%$"},
        "result_url": or_null(TEXT),
        "results": listed(IMAGE_ITEM),
        "metadata": obj({"task_type": one_of("text2image", "image2image"), "result_count": COUNT}),
        "model": TEXT,
        "created_at": TIME,
        "started_at": or_null(TIME),
        "finished_at": or_null(TIME),
        "expires_at": or_null(TIME),
        "error": or_null(_ERROR_DETAIL),
        "user_metadata": TEXTS,
        "oneshape": ACCOUNT_OF,
    }
)
TASKS: Final = obj({"items": listed(TASK), "has_more": FLAG, "next_cursor": or_null(TEXT)})


def envelope(data: Schema) -> Schema:
    """What every answer of the task surface is in."""
    return obj({"code": one_of("success"), "message": TEXT, "data": data})


GENERATED: Final[Schema] = {
    "type": "object",
    "properties": {
        "candidates": listed(OBJECT),
        "usageMetadata": OBJECT,
        "modelVersion": TEXT,
        "responseId": TEXT,
        "oneshape": ACCOUNT_OF,
    },
    "required": ["candidates", "modelVersion", "responseId"],
}
GENERATED_WHOLE_OR_STREAMED: Final[Schema] = {"anyOf": [GENERATED, listed(GENERATED)]}

OPENAI_MODEL: Final = obj(
    {
        "id": TEXT,
        "object": one_of("model"),
        "created": WHOLE,
        "owned_by": TEXT,
        "kind": one_of("image", "chat"),
        "family": or_null(TEXT),
        "resolution": or_null(TEXT),
        "aliases": listed(TEXT),
        "aspect_ratios": listed(TEXT),
        "output_formats": listed(TEXT),
        "max_images": COUNT,
        "max_n": COUNT,
        "mask": FLAG,
        "price": {"type": "object", "additionalProperties": {"type": "string"}, "required": ["currency"]},
    }
)
GEMINI_MODEL: Final = obj(
    {
        "name": TEXT,
        "version": TEXT,
        "displayName": TEXT,
        "inputTokenLimit": COUNT,
        "outputTokenLimit": COUNT,
        "supportedGenerationMethods": listed(TEXT),
    }
)
GEMINI_MODELS: Final = obj({"models": listed(GEMINI_MODEL)}, optional={"nextPageToken": TEXT})
OPENAI_MODELS: Final = obj({"object": one_of("list"), "data": listed(OPENAI_MODEL)})

_SPENT: Final = obj(
    {
        "units": COUNT,
        "period": one_of("total", "day", "month"),
        "current_period": TEXT,
        "spent_units": COUNT,
        "held_units": COUNT,
        "available_units": COUNT,
    }
)
OWN_ACCOUNT: Final = obj(
    {
        "object": one_of("account"),
        "currency": TEXT,
        "billing": one_of("prepaid", "unlimited"),
        "balance_units": WHOLE,
        "held_units": COUNT,
        "available_units": WHOLE,
        "key": obj({"id": TEXT, "name": TEXT, "models": or_null(listed(TEXT))}),
        "budget": or_null(_SPENT),
        "limits": obj({"requests_per_minute": or_null(COUNT), "concurrency": or_null(COUNT)}),
        "usage": obj(
            {"requests": COUNT, "images": COUNT, "input_tokens": COUNT, "output_tokens": COUNT, "units": COUNT}
        ),
    }
)

READY: Final = obj(
    {
        "status": one_of("ok", "unavailable"),
        "database": one_of("ok", "unavailable"),
        "catalog": one_of("ok", "empty"),
        "media": one_of("ok", "unavailable"),
    }
)
PICTURE_TYPES: Final = ("image/png", "image/jpeg", "image/webp", "image/gif")
PICTURE_BYTES: Final[dict[str, Any]] = {kind: {"type": "string", "format": "binary"} for kind in PICTURE_TYPES}
