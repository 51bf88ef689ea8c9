"""Everything below `/admin`, as one router."""

from fastapi import APIRouter

from app.gateway.services import Services
from app.web.admin import accounts, keys, ledger


def router(services: Services) -> APIRouter:
    """The operator's routes."""
    routes = APIRouter()
    for room in (accounts, keys, ledger):
        routes.include_router(room.router(services))
    return routes
