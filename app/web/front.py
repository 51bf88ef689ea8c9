"""The application object: FastAPI, and beside it one hot path that goes the same way through less.

FastAPI's routing, its exit stack and its telemetry cost more per request than everything that text chat does itself
(docs/decisions): the path of chat completions passes the same middleware and the same error handlers, and nothing else.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class Gateway(FastAPI):
    """FastAPI with a short way for the POSTs of one path. To be given the way after all middleware has been added."""

    _path = ""
    _straight: ASGIApp

    def go_straight(self, path: str, endpoint: ASGIApp) -> None:
        """From now on POSTs to `path` are answered by `endpoint`, within this application's middleware and handlers."""
        handlers: Mapping[Any, Any] = self.exception_handlers
        way: ASGIApp = ExceptionMiddleware(
            endpoint, handlers={kind: handler for kind, handler in handlers.items() if kind not in (500, Exception)}
        )
        for middleware in reversed(self.user_middleware):
            way = middleware.cls(way, *middleware.args, **middleware.kwargs)
        self._path, self._straight = path, ServerErrorMiddleware(way, handler=handlers.get(Exception))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http" and scope["path"] == self._path and scope["method"] == "POST":
            await self._straight(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)
