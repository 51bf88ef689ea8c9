"""Everything below `/admin`, as one router."""

from fastapi import APIRouter

from app.gateway.services import Services
from app.web.admin import accounts, audit, catalog, keys, ledger, models, tasks, usage, webhooks


def router(services: Services) -> APIRouter:
    """The operator's routes."""
    routes = APIRouter()
    for room in (accounts, keys, ledger, tasks, usage, models, catalog, webhooks, audit):
        routes.include_router(room.router(services))
    return routes
