"""How a simulated vendor says no: one exception, and the error bodies of each family of vendors."""

from collections.abc import Callable, Mapping

import orjson
from starlette.responses import Response


class Refusal(Exception):
    """A request that the vendor refuses without working on it, so without charging for it."""

    def __init__(self, status: int, message: str, *, code: str = "invalid_value", param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param


ErrorStyle = Callable[[Refusal], Response]

_OPENAI_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "server_error",
}
_GOOGLE_STATUSES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


def json_response(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body), status, headers=headers, media_type="application/json")


def openai_error(refusal: Refusal) -> Response:
    """OpenAI's own error shape: `{"error":{message,type,param,code}}`."""
    kind = _OPENAI_TYPES.get(refusal.status, "invalid_request_error")
    if refusal.code == "moderation_blocked":
        kind = "image_generation_user_error"
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": refusal.code}
    return json_response({"error": error}, refusal.status)


def relay_error(refusal: Refusal) -> Response:
    """The shape of the resellers whose pages name statuses but no bodies: OpenAI's, with a request id in the prose."""
    message = f"{refusal.message} (request id: 20261120sandbox)"
    error = {"message": message, "type": "relay_error", "param": refusal.param or "", "code": refusal.code}
    return json_response({"error": error}, refusal.status)


def envelope_error(refusal: Refusal) -> Response:
    """The task API's envelope with no data."""
    return json_response({"code": refusal.code, "message": refusal.message, "data": None}, refusal.status)


def google_error(refusal: Refusal) -> Response:
    """Google's shape (wire facts, section 4.6), with RetryInfo on 429."""
    error: dict[str, object] = {
        "code": refusal.status,
        "message": refusal.message,
        "status": _GOOGLE_STATUSES.get(refusal.status, "UNKNOWN"),
    }
    if refusal.status == 429:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"}]
    return json_response({"error": error}, refusal.status)
