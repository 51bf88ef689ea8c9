"""`/admin/ledger`: every unit that moved, and the proof that the books are right. Nothing is changed here."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import JSONResponse, Response

from app.gateway.services import Services
from app.store import ledger
from app.store.ledger import Kind
from app.store.ledger_verify import verify
from app.web.admin.forms import IdQuery, Query, admin_router
from app.web.admin.rendering import render_entry, render_page, render_verification


class EntryListing(Query):
    """Which entries. The cursor is a number: entries are ordered by it."""

    limit: int = Field(20, ge=1, le=100)
    after: int | None = Field(None, ge=0, le=2**63 - 1)
    account: IdQuery = None
    key: IdQuery = None
    charge: IdQuery = None
    kind: Kind | None = None


def router(services: Services) -> APIRouter:
    """The routes of the ledger."""
    routes = admin_router(services)

    @routes.get("/ledger/entries")
    async def entries(query: Annotated[EntryListing, InQuery()]) -> Response:
        """Entries, newest first, of one account, key, charge or kind, or all."""
        page = await services.database.read(
            lambda tx: ledger.entries(
                tx,
                account_id=query.account,
                key_id=query.key,
                charge_id=query.charge,
                kind=query.kind,
                after=query.after,
                limit=query.limit,
            )
        )
        return JSONResponse(render_page(page, render_entry))

    @routes.get("/ledger/verify")
    async def prove() -> Response:
        """Recomputes every invariant from the entries."""
        return JSONResponse(render_verification(await services.database.read(verify)))

    return routes
