"""Around every request: an id on its answer and in its log lines, then one line that says what became of it, and a
count. Pure ASGI, since it wraps hot paths too.
"""

from typing import Any, Final, cast

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.clock import Clock
from app.core.ids import new_id
from app.gateway.metrics import NO_MODEL, Metrics
from app.web.note import Note, note_of

log = structlog.get_logger("app.access")

CHAT: Final = "/v1/chat/completions"
SURFACES: Final = (
    (CHAT, "openai_chat"),
    ("/v1/images/tasks", "image_tasks"),
    ("/v1/images/", "openai_images"),
    ("/v1/media/", "media"),
    ("/v1/models/{call", "gemini"),
    ("/v1/models", "models"),
    ("/v1beta/models/{call", "gemini"),
    ("/v1beta/models", "models"),
    ("/v1/account", "account"),
    ("/admin/", "admin"),
    ("/console", "console"),
    ("/healthz", "health"),
    ("/readyz", "health"),
    ("/metrics", "metrics"),
    ("/openapi.json", "admin"),
)
"""The surface of a route, by how its template begins; the first that fits."""
NO_ROUTE: Final = "none"
QUIET: Final = frozenset({"health", "metrics"})
"""Asked all day by machines: their lines are for debugging, unless they fail."""


class Access:
    """Middleware for everything that is served."""

    def __init__(self, app: ASGIApp, metrics: Metrics, clock: Clock) -> None:
        self._app = app
        self._metrics = metrics
        self._clock = clock
        self._surfaces: dict[str, str] = {CHAT: "openai_chat"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, note = self._clock.monotonic(), note_of(scope)
        note.request_id = new_id("req")
        note.headers.append((b"x-request-id", note.request_id.encode()))
        status, task_id = 500, None  # what the server answers when nothing else does

        async def send_noted(message: Message) -> None:
            nonlocal status, task_id
            if message["type"] == "http.response.start":
                status, headers = message["status"], message.get("headers", ())
                task_id = next((value for name, value in headers if name == b"oneshape-task-id"), None)
                message["headers"] = [*headers, *note.headers]
            await send(message)

        # Every request runs in a task, and so in a context of its own: nothing has to be unbound.
        structlog.contextvars.bind_contextvars(request_id=note.request_id)
        try:
            await self._app(scope, receive, send_noted)
        finally:
            self._tell(scope, note, status, task_id, self._clock.monotonic() - began)

    def _tell(self, scope: Scope, note: Note, status: int, task_id: bytes | None, seconds: float) -> None:
        template = template_of(scope)
        surface = self._surfaces.get(template) or self._surface(template)
        kind = "none" if note.model is None else "chat" if note.text else "image"
        self._metrics.request(surface, kind, note.model or NO_MODEL, status, seconds=seconds)
        line: dict[str, Any] = {
            "method": scope["method"] if scope["method"] in METHODS else "other",
            "path": template,
            "status": status,
            "duration_ms": round(seconds * 1000, 1),
            "key_id": note.key_id,
            "task_id": task_id and task_id.decode("latin-1"),
            "model": note.model,
        }
        if status >= 500:
            log.warning("request", **line)
        elif surface in QUIET:
            log.debug("request", **line)
        else:
            log.info("request", **line)

    def _surface(self, template: str) -> str:
        """Remembered: templates are few, they are the routes'."""
        surface = next((name for beginning, name in SURFACES if template.startswith(beginning)), NO_ROUTE)
        self._surfaces[template] = surface
        return surface


METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def template_of(scope: Scope) -> str:
    """The path as the route declares it, without what a client put into it."""
    if scope["path"] == CHAT:
        return CHAT
    return cast(str, getattr(scope.get("route"), "path", NO_ROUTE))
