"""The header `Allow` of a 405: every method of the path, where the framework knows only those of one of its routes."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.core.errors import MethodNotAllowed
from app.web.errors import error_answer


class Allowed:
    """Answers requests whose path there is, and whose method there is not."""

    def __init__(self, routes: Callable[[], Sequence[BaseRoute]]) -> None:
        """`routes` are the application's, asked for when the first such request comes."""
        self._routes = routes
        self._methods: list[tuple[re.Pattern[str], frozenset[str]]] = []

    def of(self, path: str) -> list[str]:
        """The methods of a path, in the order of the alphabet."""
        if not self._methods:
            self._methods = [(route.path_regex, frozenset(route.methods or ())) for route in _leaves(self._routes())]
        return sorted({method for pattern, methods in self._methods if pattern.match(path) for method in methods})

    async def on_error(self, request: Request, error: Any) -> Response:
        """Handler for the status 405."""
        path = request.url.path
        told = MethodNotAllowed(f"{request.method} is not allowed at {path!r}.")
        return error_answer(told, request, {"allow": ", ".join(self.of(path))})


def _leaves(routes: Sequence[BaseRoute]) -> Iterator[Route]:
    """Every route that answers, those of included routers too."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from _leaves(router.routes)
