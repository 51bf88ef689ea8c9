"""`/admin/keys`: the credentials of accounts, their rights and their limits."""

from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.gateway.account_forms import KeyForm, KeyPatch
from app.gateway.services import Services
from app.web.admin.forms import EntityId, IdQuery, Listing, admin_router, read_form, takes
from app.web.admin.rendering import render_key, render_new_key, render_page


class KeyListing(Listing):
    """Which keys: all, or one account's."""

    account: IdQuery = None


def router(services: Services) -> APIRouter:
    """The routes of keys."""
    routes = admin_router(services)
    accounts = services.accounts

    @routes.post("/keys", status_code=201, openapi_extra=takes(KeyForm))
    async def create(request: Request) -> Response:
        """Makes a key. Its secret, `key`, is in this answer and in no other."""
        new = await accounts.create_key(await read_form(request, services, KeyForm))
        return JSONResponse(render_new_key(new), status_code=201)

    @routes.get("/keys")
    async def index(query: Annotated[KeyListing, InQuery()]) -> Response:
        """Keys, newest first, revoked ones included."""
        page = await accounts.keys_page(account_id=query.account, after=query.after, limit=query.limit)
        return JSONResponse(render_page(page, render_key))

    @routes.get("/keys/{key_id}")
    async def show(key_id: EntityId) -> Response:
        """One key, with what it has used of its budget."""
        return JSONResponse(render_key(await accounts.get_key(key_id)))

    @routes.patch("/keys/{key_id}", openapi_extra=takes(KeyPatch))
    async def change(request: Request, key_id: EntityId) -> Response:
        """Changes the fields that are in the body; null takes a limit away."""
        return JSONResponse(render_key(await accounts.patch_key(key_id, await read_form(request, services, KeyPatch))))

    @routes.post("/keys/{key_id}/revoke")
    async def revoke(key_id: EntityId) -> Response:
        """Ends a key for good, on every replica within five seconds."""
        return JSONResponse(render_key(await accounts.revoke_key(key_id)))

    return routes
