"""`/admin/backup`: a copy of the database while it serves."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.gateway.backups import Backup
from app.gateway.services import Services
from app.web.admin.forms import admin_router
from app.web.admin.rendering import Document


def router(services: Services) -> APIRouter:
    """The route that makes backups."""
    routes = admin_router(services)

    @routes.post("/backup")
    async def backup() -> Response:
        """A copy of the SQLite database in DATA_DIR/backups. Pictures are not in it."""
        return JSONResponse(render_backup(await services.operations.backups.make()), status_code=201)

    return routes


def render_backup(backup: Backup) -> Document:
    """A finished backup."""
    return {"path": str(backup.path), "size_bytes": backup.size_bytes, "seconds": round(backup.seconds, 3)}
