"""`GET /v1/account`: what a key has, may and did."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.gateway.services import Services
from app.store import reports
from app.web.auth import caller_of


def router(services: Services) -> APIRouter:
    """The route that tells a client about itself."""
    routes = APIRouter(tags=["account"])

    @routes.get("/v1/account")
    async def show(request: Request) -> Response:
        """This key's own balance, budget, limits, and usage so far. Never another key's."""
        caller = await caller_of(request, services)
        account = await services.accounts.get(caller.account.id)
        state = await services.accounts.get_key(caller.key.id)
        key, spending = state.key, state.spending
        budget = None
        if key.budget_units is not None and spending is not None:
            taken = spending.held_units + spending.spent_units
            budget = {
                "units": key.budget_units,
                "period": key.budget_period,
                "current_period": spending.period,
                "spent_units": spending.spent_units,
                "held_units": spending.held_units,
                "available_units": max(key.budget_units - taken, 0),
            }
        (used,) = await services.database.read(lambda tx: reports.usage(tx, key_id=key.id))
        return JSONResponse(
            {
                "object": "account",
                "currency": services.catalog().currency,
                "billing": account.billing,
                "balance_units": account.balance_units,
                "held_units": account.held_units,
                "available_units": account.available_units,
                "key": {"id": key.id, "name": key.name, "models": None if key.models is None else list(key.models)},
                "budget": budget,
                "limits": {"requests_per_minute": key.requests_per_minute, "concurrency": key.concurrency},
                "usage": {
                    "requests": used.requests,
                    "images": used.images,
                    "input_tokens": used.input_tokens,
                    "output_tokens": used.output_tokens,
                    "units": used.units,
                },
            }
        )

    return routes
