"""`GET /v1/models` and `/v1/models/{id}`: what this key may use."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.catalog import Catalog, Model
from app.core.errors import NotFound
from app.core.pricing import Price, currency_of
from app.gateway.services import Services
from app.web.auth import caller_of


def router(services: Services) -> APIRouter:
    """The routes that list models."""
    routes = APIRouter(tags=["models"])

    @routes.get("/v1/models")
    async def list_models(request: Request) -> Response:
        """Every model that this key may use and that a vendor is configured for."""
        caller = await caller_of(request, services)
        catalog = services.catalog()
        models = [model for model in catalog.models.values() if model.available and caller.may_use(model)]
        return JSONResponse({"object": "list", "data": [_render(model, catalog) for model in models]})

    @routes.get("/v1/models/{name:path}")
    async def get_model(request: Request, name: str) -> Response:
        """One model, by any of its names; an id may contain slashes."""
        caller = await caller_of(request, services)
        catalog = services.catalog()
        model = catalog.find(name)
        if model is None or not caller.may_use(model):
            raise NotFound(f"The model {name!r} does not exist.", code="model_not_found", param="model")
        return JSONResponse(_render(model, catalog))

    return routes


def _render(model: Model, catalog: Catalog) -> dict[str, Any]:
    """A model in OpenAI's shape, with what a client needs to know beside it. `created` is unknown, so it is 0."""
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": "oneshape",
        "kind": model.kind,
        "family": model.family,
        "resolution": model.resolution,
        "aliases": list(model.aliases),
        "aspect_ratios": list(model.aspect_ratios),
        "output_formats": list(model.output_formats),
        "max_images": model.max_images,
        "max_n": model.max_n,
        "price": {"currency": catalog.currency, **_price(model.price)},
    }


def _price(price: Price) -> dict[str, str]:
    parts = {
        "per_image": price.per_image,
        "per_request": price.per_request,
        "per_1m_input_tokens": price.per_1m_input_tokens,
        "per_1m_cached_input_tokens": price.per_1m_cached_input_tokens,
        "per_1m_output_tokens": price.per_1m_output_tokens,
    }
    return {name: currency_of(units) for name, units in parts.items() if units is not None}
