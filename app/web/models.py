"""`GET /v1/models` and `/v1beta/models`: what this key may use, in OpenAI's shape or in Google's."""

from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.catalog import Model
from app.core.errors import InvalidRequest, NotFound
from app.gateway.caller import Caller
from app.gateway.services import Services
from app.web.auth import caller_of, gemini_caller_of, speaks_google
from app.wire.model_lists import gemini_model, gemini_models, openai_model, openai_models

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 1000


def router(services: Services) -> APIRouter:
    """The routes that list models. On `/v1` both kinds of clients ask; how they ask tells them apart."""
    routes = APIRouter(tags=["models"])

    @routes.get("/v1/models")
    async def list_models(request: Request) -> Response:
        """Every model that this key may use and that a vendor is configured for."""
        if speaks_google(request):
            return await list_gemini_models(request)
        caller = await caller_of(request, services)
        catalog = services.catalog()
        return JSONResponse(openai_models(_usable(services, caller), currency=catalog.currency))

    @routes.get("/v1beta/models")
    async def list_gemini_models(request: Request) -> Response:
        """The same, as Google's clients page through it; text models are not served on that surface."""
        caller = await gemini_caller_of(request, services)
        models = [model for model in _usable(services, caller) if model.kind == "image"]
        start, size = _page(request)
        more = start + size < len(models)
        page = gemini_models(models[start : start + size], next_page_token=str(start + size) if more else None)
        return JSONResponse(page)

    @routes.get("/v1/models/{name:path}")
    async def get_model(request: Request, name: str) -> Response:
        """One model, by any of its names; an id may contain slashes."""
        if speaks_google(request):
            return await get_gemini_model(request, name)
        caller = await caller_of(request, services)
        return JSONResponse(openai_model(_find(services, caller, name), currency=services.catalog().currency))

    @routes.get("/v1beta/models/{name:path}")
    async def get_gemini_model(request: Request, name: str) -> Response:
        """One model in Google's shape."""
        caller = await gemini_caller_of(request, services)
        return JSONResponse(gemini_model(_find(services, caller, name)))

    return routes


def _usable(services: Services, caller: Caller) -> list[Model]:
    models = services.catalog().models.values()
    return [model for model in models if model.available and caller.may_use(model)]


def _find(services: Services, caller: Caller, name: str) -> Model:
    model = services.catalog().find(name)
    if model is None or not caller.may_use(model):
        raise NotFound("There is no such model, or this key may not use it.", code="model_not_found", param="model")
    return model


def _page(request: Request) -> tuple[int, int]:
    """Where a page starts and how long it is. Raises: InvalidRequest."""
    token, size = request.query_params.get("pageToken", "0"), request.query_params.get("pageSize", str(PAGE_SIZE))
    if not (token.isdecimal() and len(token) < 10):
        raise InvalidRequest("'pageToken' is not a cursor of this list.", param="pageToken")
    if not (size.isdecimal() and 1 <= int(size[:5]) <= PAGE_SIZE_MAX):
        raise InvalidRequest(f"'pageSize' must be from 1 to {PAGE_SIZE_MAX}.", param="pageSize")
    return int(token), int(size)
