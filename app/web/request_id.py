"""Gives every request an id, on every answer and in every log line, and answers what headers were left for them.

Pure ASGI, since it wraps hot paths too.
"""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.ids import new_id

_EXTRA = "oneshape.headers"


def extra_headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    """Headers that go with whatever this request is answered, an error included; add to them before it is."""
    headers: list[tuple[bytes, bytes]] = scope.setdefault(_EXTRA, [])
    return headers


class RequestIds:
    """Middleware: a new `x-request-id` per request, and a log context that carries it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wraps `send` so that the header is on whatever is answered, errors included."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id("req")
        extra = extra_headers(scope)
        extra.append((b"x-request-id", request_id.encode()))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        # Every request runs in a task, and so in a context of its own: nothing has to be unbound.
        structlog.contextvars.bind_contextvars(request_id=request_id)
        await self._app(scope, receive, send_with_id)
