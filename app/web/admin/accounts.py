"""`/admin/accounts`: who pays, and the money that operators give and correct."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.gateway.account_forms import AccountForm, AccountPatch, AdjustmentForm, GrantForm
from app.gateway.services import Services
from app.web.admin.forms import EntityId, Listing, admin_router, read_form, takes
from app.web.admin.rendering import render_account, render_account_once, render_entry, render_page


def router(services: Services) -> APIRouter:
    """The routes of accounts."""
    routes = admin_router(services)
    accounts = services.accounts

    @routes.post("/accounts", status_code=201, openapi_extra=takes(AccountForm))
    async def create(request: Request) -> Response:
        """Makes an account. Its webhook secret is in this answer and in no other."""
        account = await accounts.create(await read_form(request, services, AccountForm))
        return JSONResponse(render_account_once(account), status_code=201)

    @routes.get("/accounts")
    async def index(query: Annotated[Listing, InQuery()]) -> Response:
        """Accounts, newest first."""
        return JSONResponse(render_page(await accounts.page(after=query.after, limit=query.limit), render_account))

    @routes.get("/accounts/{account_id}")
    async def show(account_id: EntityId) -> Response:
        """One account."""
        return JSONResponse(render_account(await accounts.get(account_id)))

    @routes.patch("/accounts/{account_id}", openapi_extra=takes(AccountPatch))
    async def change(request: Request, account_id: EntityId) -> Response:
        """Changes the fields that are in the body."""
        form = await read_form(request, services, AccountPatch)
        return JSONResponse(render_account(await accounts.patch(account_id, form)))

    @routes.post("/accounts/{account_id}/rotate-webhook-secret")
    async def rotate(account_id: EntityId) -> Response:
        """Makes a new webhook secret, shown this once; the old one keeps signing beside it for a day."""
        return JSONResponse(render_account_once(await accounts.rotate_webhook_secret(account_id)))

    @routes.post("/accounts/{account_id}/grants", status_code=201, openapi_extra=takes(GrantForm))
    async def grant(request: Request, account_id: EntityId) -> Response:
        """Adds units."""
        entry = await accounts.grant(account_id, await read_form(request, services, GrantForm))
        return JSONResponse(render_entry(entry), status_code=201)

    @routes.post("/accounts/{account_id}/adjustments", status_code=201, openapi_extra=takes(AdjustmentForm))
    async def adjust(request: Request, account_id: EntityId) -> Response:
        """Corrects the balance, up or down."""
        entry = await accounts.adjust(account_id, await read_form(request, services, AdjustmentForm))
        return JSONResponse(render_entry(entry), status_code=201)

    return routes
