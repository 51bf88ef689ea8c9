"""What is answered in the place of the real answer, for the faults of stage `answer`."""

from collections.abc import Callable, Mapping
from typing import Final

from starlette.responses import Response

from app.sandbox.refusals import ErrorStyle, Refusal, json_response

_PROXY_PAGE: Final = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr>edge</body></html>"
_LEAK: Final = (
    "upstream http://10.0.0.7:8080/internal failed for key sk-leakedleakedleakedleaked0000 of BrandX"
    " (request id: 20261120leak)"
)
_INSIDE: Final = "http://169.254.169.254/latest/meta-data/"

_REFUSALS: Final[Mapping[str, tuple[Refusal, Mapping[str, str]]]] = {
    "bad_request": (Refusal(400, "The request was not understood."), {}),
    "unauthorized": (Refusal(401, "Invalid token.", code="invalid_api_key"), {}),
    "quota_403": (Refusal(403, "Quota of this token is exhausted.", code="insufficient_quota"), {}),
    "server_error": (Refusal(500, "Internal error.", code="internal_error"), {}),
    "unavailable": (Refusal(503, "No channel is available.", code="unavailable"), {"retry-after": "2"}),
    "unknown_model_503": (Refusal(503, "No available channel for this model.", code="model_not_found"), {}),
    "moderation_400": (Refusal(400, "Rejected by the safety system.", code="moderation_blocked"), {}),
    "moderation_500": (Refusal(500, "Rejected by the safety system.", code="moderation_blocked"), {}),
    "leaky_error": (Refusal(500, _LEAK, code="internal_error"), {}),
    "rate_limited": (Refusal(429, "Too many requests.", code="rate_limit_exceeded"), {"retry-after": "2"}),
    "retry_after_zero": (Refusal(429, "Too many requests.", code="rate_limit_exceeded"), {"retry-after": "0"}),
    "retry_after_negative": (Refusal(429, "Too many requests.", code="rate_limit_exceeded"), {"retry-after": "-1"}),
    "retry_after_huge": (
        Refusal(429, "Too many requests.", code="rate_limit_exceeded"),
        {"retry-after": "1000000000"},
    ),
    "retry_after_past": (
        Refusal(429, "Too many requests.", code="rate_limit_exceeded"),
        {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"},
    ),
    "retry_after_nan": (Refusal(429, "Too many requests.", code="rate_limit_exceeded"), {"retry-after": "NaN"}),
}

_BODIES: Final[Mapping[str, Callable[[], Response]]] = {
    "html_200": lambda: _html("Please sign in", 200),
    "html_502": lambda: _html("502 Bad Gateway", 502),
    "html_524": lambda: _html("524: A timeout occurred", 524),
    "status_204": lambda: Response(status_code=204),
    "status_304": lambda: Response(status_code=304),
    "status_418": lambda: Response("short and stout", 418, media_type="text/plain"),
    "status_520": lambda: Response("error code: 520", 520, media_type="text/plain"),
    "status_599": lambda: Response("network connect timeout", 599, media_type="text/plain"),
    "redirect": lambda: Response(status_code=307, headers={"location": _INSIDE}),
    "empty_200": lambda: Response(b"", media_type="application/json"),
    "null_200": lambda: Response(b"null", media_type="application/json"),
    "object_200": lambda: Response(b"{}", media_type="application/json"),
    "latin1_200": lambda: Response('{"message":"gefällt"}'.encode("latin-1"), media_type="application/json"),
    "error_200": lambda: json_response({"error": {"message": "model is busy", "type": "relay_error", "code": "busy"}}),
    "code_500_200": lambda: json_response({"code": 500, "message": "model is busy"}),
    "code_fail_200": lambda: json_response({"code": "fail", "message": "model is busy", "data": None}),
}

NAMES: Final = frozenset(_REFUSALS) | frozenset(_BODIES)
"""Every fault that this module plays."""


def answer_instead(name: str, style: ErrorStyle) -> Response:
    """The answer of one fault of stage `answer`, its errors in the vendor's style."""
    if name in _BODIES:
        return _BODIES[name]()
    refusal, headers = _REFUSALS[name]
    response = style(refusal)
    response.headers.update(headers)
    return response


def _html(title: str, status: int) -> Response:
    return Response(_PROXY_PAGE.format(title), status, media_type="text/html")
