"""`/admin/models` and `/admin/vendors`: the catalog in force as it was understood. To change it, change the catalog."""

from collections.abc import Mapping
from dataclasses import asdict

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from app.core.catalog import Catalog, Model, Target, Vendor
from app.core.pricing import Price
from app.gateway.services import Services
from app.store import attempts, fleet
from app.store.database import Tx
from app.web.admin.forms import admin_router
from app.web.admin.rendering import Document


def router(services: Services) -> APIRouter:
    """The routes that show the catalog in force."""
    routes = admin_router(services)

    @routes.get("/models")
    async def models() -> Response:
        """Every model with its aliases, targets, prices, costs and margins, in units."""
        catalog = services.catalog()
        items = [_model(model, catalog) for model in catalog.models.values()]
        return JSONResponse({"revision": catalog.revision, "currency": catalog.currency, "items": items})

    @routes.get("/vendors")
    async def vendors() -> Response:
        """Every vendor with its settings, without its keys; whether it is drained, and what it may yet bill."""
        catalog = services.catalog()

        def query(tx: Tx) -> tuple[frozenset[str], Mapping[str, int]]:
            return fleet.drained(tx), attempts.exposure_by_vendor(tx)

        drained, exposure = await services.database.read(query)
        items = [
            {
                **_vendor(vendor),
                "models": sorted({model.id for model in catalog.models.values() if _serves(vendor, model)}),
                "drained": vendor.name in drained,
                "exposure_units": exposure.get(vendor.name, 0),
            }
            for vendor in catalog.vendors.values()
        ]
        return JSONResponse({"revision": catalog.revision, "items": items})

    return routes


def _serves(vendor: Vendor, model: Model) -> bool:
    return any(target.vendor.name == vendor.name for target in model.targets)


def _vendor(vendor: Vendor) -> Document:
    return {
        "name": vendor.name,
        "dialect": vendor.dialect,
        "base_url": vendor.base_url,
        "configured": vendor.configured,
        "keys": len(vendor.api_keys),
        "timeout_s": vendor.timeout_s,
        "concurrency": vendor.concurrency,
        "options": dict(vendor.options),
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
