"""`/admin/explain`: what would become of a request, without sending anything."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.image import Warning
from app.gateway.account_forms import Form
from app.gateway.exact_request import ExactRequest
from app.gateway.explain import Explanation, TargetView
from app.gateway.services import Services
from app.web.admin.forms import ID_PATTERN, admin_router, read_form, takes
from app.web.admin.rendering import Document


class Question(Form):
    """A request as a client would send it to `path`, and the key it would send it with."""

    path: Annotated[str, Field(max_length=300, json_schema_extra={"examples": ["/v1/images/generations"]})]
    body: dict[str, Any]
    key_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None


def router(services: Services) -> APIRouter:
    """The route that explains."""
    routes = admin_router(services)

    @routes.post("/explain", openapi_extra=takes(Question))
    async def explain(request: Request) -> Response:
        """The model, its targets in order with reasons, what each would be sent, and what would be held."""
        form = await read_form(request, services, Question)
        told = await services.operations.explainer.explain(form.path, form.body, key_id=form.key_id)
        return JSONResponse(render_explanation(told))

    return routes


def render_explanation(told: Explanation) -> Document:
    """An explanation as operators read it, by HTTP and on the command line."""
    return {
        "model": told.model.id,
        "kind": told.model.kind,
        "request": dict(told.understood),
        "hold_units": told.hold_units,
        "warnings": _warnings(told.warnings),
        "refusal": None if told.refusal is None else {"status": told.refusal.status, **told.refusal.body()},
        "targets": [_target(view) for view in told.targets],
    }


def _target(view: TargetView) -> Document:
    return {
        "vendor": view.target.vendor.name,
        "model": view.target.model,
        "priority": view.target.priority,
        "weight": view.target.weight,
        "order": view.order,
        "first_chance": round(view.first_chance, 3),
        "reason": view.reason,
        "rest_s": round(view.rest_s, 1),
        "calls": view.calls,
        "request": None if view.request is None else _request(view.request),
        "warnings": _warnings(view.warnings),
    }


def _request(request: ExactRequest) -> Document:
    return {"method": request.method, "url": request.url, "headers": dict(request.headers), "body": request.body}


def _warnings(warnings: tuple[Warning, ...]) -> list[Document]:
    return [asdict(warning) for warning in warnings]
