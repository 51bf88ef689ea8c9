"""The operations of clients, and of those who ask whether we live."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from app.web.openapi import client_shapes as shapes
from app.web.openapi.shapes import TEXT, Operation, Parameter, Schema, json_of, obj, one_of, or_null

STREAM: Final = {"text/event-stream": TEXT}

_STRICT: Final = Parameter(
    "Oneshape-Strict", "header", one_of("true", "false"), "Refuse what would otherwise be a warning."
)
_REPEATS: Final = Parameter(
    "Idempotency-Key",
    "header",
    {"type": "string", "pattern": r"^[!-~]([ -~]{0,253}[!-~])?$"},
    "A repeat within 24 h is answered as the first request was.",
)
_PREFER: Final = Parameter(
    "Prefer", "header", TEXT, "`wait=N` or `respond-async`: rather 202 than waiting; others are ignored."
)
_STYLE: Final = Parameter(
    "Oneshape-Image-Style", "header", one_of("markdown", "data", "url"), "How pictures stand in the answer's text."
)
_CALL: Final = Parameter(
    "name",
    "path",
    {"type": "string", "pattern": "^[A-Za-z0-9._-]+:(generateContent|streamGenerateContent)$"},
    "The model, a colon, and what it is to do.",
)
_ALT: Final = Parameter("alt", "query", one_of("sse", "json"), "How a stream is answered: as events, or one array.")
_TOKEN: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_PAGE: Final = (
    Parameter("pageSize", "query", {"type": "integer", "minimum": 1, "maximum": 1000}, "Gemini's clients page so."),
    Parameter("pageToken", "query", _TOKEN, "Where the page begins."),
)
_NAME: Final = Parameter("name", "path", TEXT, "The picture's id and extension.")
_SIGNED: Final = (
    Parameter("exp", "query", TEXT, "Until when the link is good."),
    Parameter("sig", "query", TEXT, "The link's signature."),
    Parameter("proxied", "query", one_of("true"), "For who cannot follow a 302 to the bucket."),
)

_ASKS: Final = (400, 401, 403, 404, 429, 500, 503)
_WORKS: Final = (*_ASKS, 402, 409, 413, 415, 422, 502, 504)
_LATER: Final = {202: json_of(shapes.envelope(shapes.TASK))}


def _draws(body: Mapping[str, Schema], answer: Schema, **said: Any) -> Operation:
    return Operation({**json_of(answer), **STREAM}, errors=_WORKS, body=body, also=_LATER, **said)


def _about_task(schema: Schema, **said: Any) -> Operation:
    return Operation(json_of(shapes.envelope(schema)), errors=_ASKS, error="TaskError", **said)


_ORDERED: Final = (_STRICT, _REPEATS, _PREFER)
_GEMINI: Final = Operation(
    {**json_of(shapes.GENERATED_WHOLE_OR_STREAMED), **STREAM},
    errors=_WORKS,
    error="GeminiError",
    body=json_of(shapes.CONTENTS),
    parameters=(_CALL, _ALT, *_ORDERED),
    also=_LATER,
    guard="gemini",
)
_MEDIA: Final = Operation(
    shapes.PICTURE_BYTES,
    errors=(400, 403, 404, 410, 500, 503),
    parameters=(_NAME, *_SIGNED),
    headers=("etag", "accept-ranges"),
    also={206: shapes.PICTURE_BYTES, 302: {}, 304: {}, 416: {}},
    guard=None,
)

OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("post", "/v1/chat/completions"): _draws(json_of(shapes.CHAT), shapes.COMPLETION, parameters=(_STYLE, *_ORDERED)),
    ("post", "/v1/images/generations"): _draws(json_of(shapes.GENERATION), shapes.IMAGES, parameters=_ORDERED),
    ("post", "/v1/images/edits"): _draws(
        {**json_of(shapes.EDIT), "multipart/form-data": shapes.EDIT_FORM}, shapes.IMAGES, parameters=_ORDERED
    ),
    ("post", "/v1/images/tasks"): Operation(
        json_of(shapes.envelope(shapes.TASK)),
        status=202,
        errors=_WORKS,
        error="TaskError",
        body=json_of(shapes.ORDER),
        parameters=(_STRICT, _REPEATS),
        headers=("location", "retry-after", "oneshape-task-id"),
    ),
    ("get", "/v1/images/tasks"): _about_task(shapes.TASKS),
    ("get", "/v1/images/tasks/{task_id}"): _about_task(shapes.TASK, headers=("oneshape-task-id",)),
    ("post", "/v1/images/tasks/{task_id}/cancel"): _about_task(shapes.TASK, headers=("oneshape-task-id",)),
    # A path that is no call has the shape of its neighbours on /v1.
    ("post", "/v1/models/{name}"): replace(_GEMINI, error="OpenAIOrGeminiError"),
    ("post", "/v1beta/models/{name}"): _GEMINI,
    ("get", "/v1/models"): Operation(
        json_of({"anyOf": [shapes.OPENAI_MODELS, shapes.GEMINI_MODELS]}),
        errors=_ASKS,
        # Without pageSize nobody pages, and a token means nothing.
        parameters=(_PAGE[0], Parameter("pageToken", "query", TEXT, "Where the page begins, with pageSize.")),
    ),
    ("get", "/v1/models/{name}"): Operation(
        json_of({"anyOf": [shapes.OPENAI_MODEL, shapes.GEMINI_MODEL]}), errors=_ASKS
    ),
    ("get", "/v1beta/models"): Operation(
        json_of(shapes.GEMINI_MODELS), errors=_ASKS, error="GeminiError", parameters=_PAGE, guard="gemini"
    ),
    ("get", "/v1beta/models/{name}"): Operation(
        json_of(shapes.GEMINI_MODEL), errors=_ASKS, error="GeminiError", guard="gemini"
    ),
    ("get", "/v1/account"): Operation(json_of(shapes.OWN_ACCOUNT), errors=_ASKS),
    ("get", "/v1/media/{name}"): _MEDIA,
    ("head", "/v1/media/{name}"): _MEDIA,
    ("get", "/healthz"): Operation(json_of(obj({"status": one_of("ok")})), guard=None),
    ("get", "/readyz"): Operation(json_of(shapes.READY), also={503: json_of(shapes.READY)}, guard=None),
}

_DETAIL: Final[Schema] = {"$ref": "#/components/schemas/ErrorDetail"}
_WHERE: Final = {"oneshape": obj({"task_id": TEXT})}
SCHEMAS: Final[Mapping[str, Schema]] = {
    "ErrorDetail": obj({"message": TEXT, "type": TEXT, "param": or_null(TEXT), "code": or_null(TEXT)}),
    "Error": obj({"error": _DETAIL}, optional=_WHERE),
    "TaskError": obj({"code": TEXT, "message": TEXT, "data": {"type": "null"}, "error": _DETAIL}, optional=_WHERE),
    "OpenAIOrGeminiError": {
        "anyOf": [{"$ref": "#/components/schemas/GeminiError"}, {"$ref": "#/components/schemas/Error"}]
    },
    "GeminiError": obj({"error": obj({"code": {"type": "integer"}, "message": TEXT, "status": TEXT})}, optional=_WHERE),
}
