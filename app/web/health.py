"""`/healthz` and `/readyz`: whether the process lives, and whether it can serve."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.core.errors import GatewayError
from app.gateway.services import Services


def router(services: Services) -> APIRouter:
    """The routes that orchestrators ask."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def live() -> Response:
        """Alive; nothing else is told."""
        return JSONResponse({"status": "ok"})

    @routes.get("/readyz")
    async def ready() -> Response:
        """Whether database, catalog and media store can serve; 503 with the part that cannot."""
        parts = {"database": "ok", "catalog": "ok", "media": "ok"}
        try:
            await services.database.read(lambda tx: tx.exec_driver_sql("SELECT 1"))
        except GatewayError:
            parts["database"] = "unavailable"
        if not services.catalog().models:
            parts["catalog"] = "empty"
        try:
            await services.media.check()
        except GatewayError:
            parts["media"] = "unavailable"
        ok = all(state == "ok" for state in parts.values())
        return JSONResponse({"status": "ok" if ok else "unavailable", **parts}, status_code=200 if ok else 503)

    return routes
