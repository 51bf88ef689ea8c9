"""The `Oneshape-Strict` header: what would be a warning is refused."""

from starlette.requests import Request

from app.core.errors import InvalidRequest


def is_strict(request: Request) -> bool:
    """Whether the request is strict. Raises: InvalidRequest when the header is neither true nor false."""
    said = request.headers.get("oneshape-strict", "false").lower()
    if said not in ("true", "false"):
        raise InvalidRequest("The header 'Oneshape-Strict' must be true or false.", param="Oneshape-Strict")
    return said == "true"
