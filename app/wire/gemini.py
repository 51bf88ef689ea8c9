"""Gemini's shapes that are no surface's own: keys in either casing, and errors with Google's status names."""

from collections.abc import Mapping
from typing import Final

from app.core.errors import GatewayError, InvalidRequest
from app.core.exchange import Json
from app.wire.said import demand_few_keys, snake

_STATUSES: Final[Mapping[int, str]] = {
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    410: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    502: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def error_body(error: GatewayError) -> Json:
    """The answer to a failed request (wire-facts 4.6); where a result may still appear is told beside the error."""
    status = _STATUSES.get(error.status, "INVALID_ARGUMENT")
    body: dict[str, Json] = {"error": {"code": error.status, "message": error.message, "status": status}}
    if error.task_id is not None:
        body["oneshape"] = {"task_id": error.task_id}
    return body


def snake_keys(value: Mapping[str, Json]) -> dict[str, Json]:
    """The object with its own keys in snake_case, without nulls: SDKs mix both casings in one part (wire-facts 4.4).

    Raises:
        InvalidRequest: one key is there in both casings, with different values, or there are too many.
    """
    demand_few_keys(value, None)
    said: dict[str, tuple[str, Json]] = {}
    for key, item in value.items():
        if item is None:
            continue
        first, other = said.setdefault(snake(key), (key, item))
        if other != item:
            raise InvalidRequest(
                f"'{first}' and '{key}' say different things.", code="conflicting_parameters", param=first
            )
    return {name: item for name, (_, item) in said.items()}
