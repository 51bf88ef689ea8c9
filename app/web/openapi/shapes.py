"""Words for JSON schemas, as short as what they say. Pure: nothing here knows a route."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "integer", "description": "Unix seconds."}
ANYTHING: Final[Schema] = {}
OBJECT: Final[Schema] = {"type": "object"}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
UNITS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "integer"}}


def obj(fields: Mapping[str, Schema], *, optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with exactly these fields; those in `optional` may be missing."""
    return {
        "type": "object",
        "properties": {**fields, **(optional or {})},
        "required": list(fields),
        "additionalProperties": False,
    }


def listed(item: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": item}


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*values: str) -> Schema:
    """One of some texts."""
    return {"type": "string", "enum": list(values)}


def page_of(item: Schema) -> Schema:
    """Part of a list."""
    return obj({"items": listed(item), "has_more": FLAG, "next_cursor": or_null(TEXT)})


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something beside the body: where it is said, and what it may be."""

    name: str
    place: Literal["query", "header", "path"]
    schema: Schema
    doc: str


@dataclass(frozen=True, slots=True)
class Operation:
    """What one route says of itself beside its path, its docstring and what FastAPI knows.

    `content` is the successful answer by media type. `errors` are the statuses of failures, in the shape `error`.
    """

    content: Mapping[str, Schema]
    status: int = 200
    errors: tuple[int, ...] = ()
    error: Literal["Error", "TaskError", "GeminiError", "OpenAIOrGeminiError"] = "Error"
    body: Mapping[str, Schema] | None = None
    parameters: tuple[Parameter, ...] = ()
    headers: tuple[str, ...] = ()
    also: Mapping[int, Mapping[str, Schema]] = field(default_factory=dict)
    guard: Literal["client", "gemini", "admin", "metrics"] | None = "client"


def json_of(schema: Schema) -> dict[str, Schema]:
    """An answer or body that is JSON."""
    return {"application/json": schema}
