"""Takes the credential out of a request, as each surface sends it."""

import hmac

from starlette.requests import Request

from app.core.errors import PermissionDenied, Unauthenticated
from app.gateway.caller import Caller
from app.gateway.services import Services
from app.web.rate import count


def bearer(request: Request) -> str | None:
    """The token of `Authorization: Bearer …` (RFC 6750); None when there is none or another scheme."""
    values = request.headers.getlist("authorization")
    if len(values) != 1:
        return None
    scheme, _, token = values[0].partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def caller_of(request: Request, services: Services) -> Caller:
    """The client behind a request to an OpenAI-shaped surface.

    Raises: Unauthenticated, PermissionDenied, RateLimited.
    """
    return await count(request.scope, services, await services.callers.authenticate(bearer(request)))


async def gemini_caller_of(request: Request, services: Services) -> Caller:
    """The client behind a request to the Gemini surface: `x-goog-api-key`, `?key=` or Bearer. Raises as `caller_of`."""
    secret = request.headers.get("x-goog-api-key") or request.query_params.get("key") or bearer(request)
    return await count(request.scope, services, await services.callers.authenticate(secret))


def speaks_google(request: Request) -> bool:
    """Whether a Google client asks: on `/v1`, its default version, it asks for models as others do (wire-facts 3.5)."""
    headers, query = request.headers, request.query_params
    return "x-goog-api-key" in headers or "x-goog-api-client" in headers or "key" in query or "pageSize" in query


def demand_admin(request: Request, services: Services) -> None:
    """Lets only the admin key pass.

    Raises: Unauthenticated without a credential; PermissionDenied with any other, a client's included (fault-cases A3).
    """
    _demand(request, services.admin_key)


def demand_metrics(request: Request, services: Services) -> None:
    """Lets the admin key pass, and the token for metrics where there is one. Raises as `demand_admin`."""
    _demand(request, services.admin_key, *([services.metrics_token] if services.metrics_token else []))


def _demand(request: Request, *keys: str) -> None:
    token = bearer(request)
    if token is None:
        raise Unauthenticated("The admin key is needed: send it as a Bearer token.", code="missing_api_key")
    said = token.encode("utf-8", "surrogatepass")
    if not any(hmac.compare_digest(said, key.encode()) for key in keys):
        raise PermissionDenied("This is not the admin key.", code="admin_only")
