"""`GET /openapi.json`: the document, for operators (fault-cases A13)."""

from collections.abc import Callable, Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from app.gateway.services import Services
from app.web.auth import demand_admin
from app.web.openapi.document import document


def router(services: Services, routes_of_app: Callable[[], Sequence[BaseRoute]], *, version: str) -> APIRouter:
    """The route. The document is made when it is first asked for, since other routes may be added after this one."""
    routes = APIRouter(tags=["admin"])
    made: list[JSONResponse] = []

    @routes.get("/openapi.json")
    async def show(request: Request) -> Response:
        """This document."""
        demand_admin(request, services)
        if not made:
            made.append(JSONResponse(document(routes_of_app(), version=version)))
        return made[0]

    return routes
