"""Around every request, where traces are recorded: its span. Pure ASGI, and not there at all where none are."""

from typing import TYPE_CHECKING, Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.web.access import METHODS, NO_ROUTE, template_of
from app.web.note import note_of

if TYPE_CHECKING:
    from app.gateway.tracing import RequestSpan, Traces

OTHER: Final = "_OTHER"
"""What the conventions call a method that a client made up."""


class Traced:
    """Middleware for everything that is served."""

    def __init__(self, app: ASGIApp, traces: "Traces") -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else OTHER
        status = 500  # what the server answers when nothing else does

        headers: dict[bytes, bytes] = {}

        async def send_noted(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], dict(message.get("headers", ()))
            await send(message)

        with self._traces.request(method, _place_in(scope)) as span:
            structlog.contextvars.bind_contextvars(trace_id=span.trace_id)
            try:
                await self._app(scope, receive, send_noted)
            finally:
                _tell(span, scope, method, status, headers)


def _tell(span: "RequestSpan", scope: Scope, method: str, status: int, headers: dict[bytes, bytes]) -> None:
    note, route = note_of(scope), template_of(scope)
    units, task = headers.get(b"oneshape-units", b""), headers.get(b"oneshape-task-id", b"")
    facts = {
        "gen_ai.request.model": note.model,
        "oneshape.request_id": note.request_id or None,
        "oneshape.key_id": note.key_id,
        "oneshape.task_id": task.decode("latin-1") or None,
        "oneshape.units": int(units) if units.isdigit() else None,
    }
    span.answered(method, None if route == NO_ROUTE else route, status, facts)


def _place_in(scope: Scope) -> str | None:
    """The client's `traceparent`. Two of them say nothing."""
    found = [value for name, value in scope["headers"] if name == b"traceparent"]
    return str(found[0], "latin-1") if len(found) == 1 else None
