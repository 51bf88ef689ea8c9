"""`/admin/models`: the catalog in force as it was understood. To change it, change the catalog."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import JSONResponse, Response

from app.core.catalog import Catalog, Model, Target
from app.core.pricing import Price
from app.gateway.services import Services
from app.store.prices import Priced, list_page
from app.web.admin.forms import NameQuery, Query, admin_router
from app.web.admin.rendering import Document, render_page, seconds


class PriceListing(Query):
    """Which prices. The cursor is a row's number and model."""

    model: NameQuery = None
    limit: int = Field(20, ge=1, le=100)
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,9}\.[!-~]{1,200}$")] = None


def router(services: Services) -> APIRouter:
    """The routes that show the catalog in force."""
    routes = admin_router(services)

    @routes.get("/models")
    async def models() -> Response:
        """Every model with its aliases, targets, prices, costs and margins, in units."""
        catalog = services.catalog()
        items = [_model(model, catalog) for model in catalog.models.values()]
        return JSONResponse({"revision": catalog.revision, "currency": catalog.currency, "items": items})

    @routes.get("/prices")
    async def prices(query: Annotated[PriceListing, InQuery()]) -> Response:
        """What models were charged and cost, the newest first: a row for each change of a catalog in force."""
        page = await services.database.read(
            lambda tx: list_page(tx, model=query.model, after=query.after, limit=query.limit)
        )
        return JSONResponse(render_page(page, render_priced))

    return routes


def render_priced(priced: Priced) -> Document:
    """A price in units; null: since then there is no such model."""
    return {
        "model": priced.model,
        "since": seconds(priced.since),
        "revision": priced.revision,
        "price": dict(priced.price) or None,
        "costs": {target: dict(parts) for target, parts in priced.costs.items()},
    }


def _model(model: Model, catalog: Catalog) -> Document:
    family = catalog.families.get(model.family) if model.family is not None else None
    return {
        "id": model.id,
        "kind": model.kind,
        "available": model.available,
        "family": model.family,
        "default_of_family": family is not None and family.default == model.id,
        "resolution": model.resolution,
        "aliases": list(model.aliases),
        "aspect_ratios": list(model.aspect_ratios),
        "output_formats": list(model.output_formats),
        "max_images": model.max_images,
        "max_n": model.max_n,
        "mask": model.mask,
        "max_output_tokens": model.max_output_tokens,
        "price": _units(model.price),
        "targets": [_target(target, model) for target in model.targets],
    }


def _target(target: Target, model: Model) -> Document:
    price, cost = _units(model.price), _units(target.cost)
    return {
        "vendor": target.vendor.name,
        "model": target.model,
        "resolution": target.resolution,
        "priority": target.priority,
        "weight": target.weight,
        "configured": target.vendor.configured,
        "cost": cost,
        "margin": {part: price[part] - units for part, units in cost.items() if part in price},
    }


def _units(price: Price) -> dict[str, int]:
    """The parts that are priced, in units."""
    return {part: units for part, units in asdict(price).items() if units is not None}
