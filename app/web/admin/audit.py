"""`/admin/audit`: who changed what, from what to what. It can only be read."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.responses import JSONResponse, Response

from app.gateway.services import Services
from app.store import audit
from app.store.audit import Change
from app.web.admin.forms import IdQuery, Listing, admin_router
from app.web.admin.rendering import Document, render_page, seconds


class ChangeListing(Listing):
    """Which changes: all, or those of one account, key, task or vendor."""

    subject: IdQuery = None


def router(services: Services) -> APIRouter:
    """The route of the audit log."""
    routes = admin_router(services)

    @routes.get("/audit")
    async def index(query: Annotated[ChangeListing, InQuery()]) -> Response:
        """Changes, newest first."""
        page = await services.database.read(
            lambda tx: audit.list_page(tx, subject=query.subject, after=query.after, limit=query.limit)
        )
        return JSONResponse(render_page(page, _render))

    return routes


def _render(change: Change) -> Document:
    return {
        "id": change.id,
        "created_at": seconds(change.at),
        "actor": change.actor,
        "action": change.action,
        "subject": change.subject,
        "before": None if change.before is None else dict(change.before),
        "after": None if change.after is None else dict(change.after),
    }
