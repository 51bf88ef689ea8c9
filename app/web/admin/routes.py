"""Everything below `/admin`, as one router."""

from fastapi import APIRouter

from app.gateway.services import Services
from app.web.admin import (
    accounts,
    audit,
    backup,
    bills,
    catalog,
    explain,
    keys,
    ledger,
    models,
    tasks,
    usage,
    vendors,
    webhooks,
)


def router(services: Services) -> APIRouter:
    """The operator's routes."""
    routes = APIRouter()
    for room in (
        accounts,
        keys,
        ledger,
        tasks,
        usage,
        models,
        vendors,
        explain,
        catalog,
        webhooks,
        audit,
        backup,
        bills,
    ):
        routes.include_router(room.router(services))
    return routes
