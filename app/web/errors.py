"""Every error on its way out: picks the surface's shape, sets the headers, hides what is not the client's."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.core.errors import (
    GatewayError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestTooLarge,
    UnsupportedMediaType,
)
from app.surfaces import gemini, image_tasks
from app.web.auth import speaks_google
from app.web.validation import request_error
from app.wire.openai import error_body, error_headers
from app.wire.strict_json import dumps

log = structlog.get_logger(__name__)

TASKS: Final = "/v1/images/tasks"
MODELS: Final = "/v1/models"


def error_response(
    error: GatewayError, path: str, headers: Mapping[str, str] | None = None, *, google: bool = False
) -> Response:
    """The answer for an error, in the shape of the surface that `path` belongs to. `google`: a Google client asked,
    which matters where both kinds of clients ask for models.
    """
    out = {**(headers or {}), **error_headers(error)}
    body = _body(error, path, google=google)
    return Response(dumps(body), status_code=error.status, headers=out, media_type="application/json")


def error_answer(error: GatewayError, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    """The same, for a request that is there as a whole."""
    return error_response(error, request.url.path, headers, google=speaks_google(request))


def _body(error: GatewayError, path: str, *, google: bool) -> object:
    if path == TASKS or path.startswith(TASKS + "/"):
        return image_tasks.render_error(error)
    on_models = path == MODELS or path.startswith(MODELS + "/")
    if path.startswith("/v1beta/") or (on_models and (google or ":" in path)):
        return gemini.render_error(error)
    return error_body(error)


async def on_gateway_error(request: Request, error: Exception) -> Response:
    """Handler for the drawn tree."""
    assert isinstance(error, GatewayError)
    return error_answer(error, request)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Handler for what the framework refuses by itself: unknown paths, methods, sizes."""
    assert isinstance(error, StarletteHTTPException)
    return error_answer(_of_status(error.status_code, request), request, error.headers)


async def on_validation_error(request: Request, error: Exception) -> Response:
    """Handler for queries and paths that FastAPI refuses: our 400 instead of its 422."""
    assert isinstance(error, RequestValidationError)
    return error_answer(request_error(error.errors()), request)


async def on_disconnect(request: Request, error: Exception) -> Response:
    """The client left while sending; nobody reads this answer, but the server wants one."""
    return error_answer(InvalidRequest("The request was not received whole."), request)


async def on_any_error(request: Request, error: Exception) -> Response:
    """Handler for bugs: the client learns nothing but that it is ours."""
    log.error("request.failed", path=request.url.path, exc_info=error)
    return error_answer(InternalError("Something went wrong on our side."), request)


def _of_status(status: int, request: Request) -> GatewayError:
    if status == 404:
        return NotFound(f"There is nothing at {request.url.path!r}.")
    if status == 405:
        return MethodNotAllowed(f"{request.method} is not allowed at {request.url.path!r}.")
    if status == 413:
        return RequestTooLarge("The request body is too large.")
    if status == 415:
        return UnsupportedMediaType("This content type is not accepted here.")
    return (
        InvalidRequest("The request is not valid.")
        if status < 500
        else InternalError("Something went wrong on our side.")
    )


HANDLERS: Mapping[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    GatewayError: on_gateway_error,
    StarletteHTTPException: on_http_error,
    RequestValidationError: on_validation_error,
    ClientDisconnect: on_disconnect,
    Exception: on_any_error,
}
