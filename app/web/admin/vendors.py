"""`/admin/vendors`: how vendors are doing, and which of them get work. To change what they are, change the catalog."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi import Query as InQuery
from pydantic import Field
from starlette.responses import JSONResponse, Response

from app.gateway.probe import Scope, document_of
from app.gateway.services import Services
from app.gateway.vendors import VendorView
from app.upstream.health import Recent
from app.upstream.pool import Health
from app.web.admin.forms import ID_PATTERN, Query, admin_router
from app.web.admin.rendering import Document, seconds

VendorName = Annotated[str, Path(pattern=ID_PATTERN)]


class Probing(Query):
    """Which models are asked: one of each kind, or all; or one by its name, the vendor's or ours."""

    scope: Scope = "cheapest"
    model: Annotated[str | None, Field(min_length=1, max_length=200)] = None


def router(services: Services) -> APIRouter:
    """The routes of vendors."""
    routes = admin_router(services)
    vendors = services.operations.vendors

    @routes.get("/vendors")
    async def index() -> Response:
        """Every vendor with its settings, without its keys; its health as this replica saw it; its exposure."""
        items = [render_vendor(view) for view in await vendors.views()]
        return JSONResponse({"revision": services.catalog().revision, "items": items})

    @routes.post("/vendors/{name}/drain")
    async def drain(name: VendorName) -> Response:
        """Sends nothing new there, from any replica, within seconds. What is under way is finished."""
        return JSONResponse(render_vendor(await vendors.drain(name)))

    @routes.post("/vendors/{name}/undrain")
    async def undrain(name: VendorName) -> Response:
        """Lets it serve again."""
        return JSONResponse(render_vendor(await vendors.undrain(name)))

    @routes.post("/vendors/{name}/probe")
    async def probe(name: VendorName, query: Annotated[Probing, InQuery()]) -> Response:
        """Asks it once for something cheap per kind of model (`scope=all`: per model), which costs money, and tells
        what came back.
        """
        findings = await vendors.probe(name, scope=query.scope, only=[query.model] if query.model else ())
        return JSONResponse({"vendor": name, "findings": [document_of(one) for one in findings]})

    @routes.get("/vendors/{name}/probes")
    async def probes(name: VendorName) -> Response:
        """What the last probe of each of its models found."""
        found = [{"at": seconds(one.at), **one.finding} for one in await vendors.probed(name)]
        return JSONResponse({"vendor": name, "items": found})

    return routes


def render_vendor(view: VendorView) -> Document:
    """A vendor as operators read it. Rates are of the last ten minutes; null: nothing was asked there."""
    vendor, health = view.vendor, view.health
    return {
        "name": vendor.name,
        "dialect": vendor.dialect,
        "base_url": vendor.base_url,
        "configured": vendor.configured,
        "keys": len(vendor.api_keys),
        "keys_ready": health.credentials_ready,
        "credentials": [
            {"id": one.id, "refusals": one.refusals, "rest_s": round(one.rest_s, 1)} for one in health.credentials
        ],
        "timeout_s": vendor.timeout_s,
        "concurrency": vendor.concurrency,
        "places": health.places,
        "in_use": health.in_use,
        "waiting": health.waiting,
        "options": dict(vendor.options),
        "models": list(view.models),
        "drained": view.drained,
        "exposure_units": view.exposure_units,
        **_health(health.health),
        "targets": [{"model": model, **_health(one)} for model, one in sorted(health.targets.items())],
    }


def _health(health: Health) -> Document:
    return {
        "breaker": health.breaker,
        "failures_in_row": health.failures_in_row,
        "openings": health.openings,
        "rest_s": round(health.rest_s, 1),
        "share": round(health.share, 2),
        "overdue": health.overdue,
        **_recent(health.recent),
    }


def _recent(recent: Recent) -> Document:
    return {
        "seen": recent.seen,
        "error_rate": _rounded(recent.error_rate),
        "delivered_image_rate": _rounded(recent.delivered_rate),
        "wrong_image_rate": _rounded(recent.wrong_rate),
        "latency_p50_s": _rounded(recent.latency_p50_s),
        "latency_p95_s": _rounded(recent.latency_p95_s),
        "latency_p99_s": _rounded(recent.latency_p99_s),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
