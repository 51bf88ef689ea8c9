"""`/admin/vendors`: how vendors are doing, and which of them get work. To change what they are, change the catalog."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import JSONResponse, Response

from app.gateway.probe import Finding
from app.gateway.services import Services
from app.gateway.vendors import VendorView
from app.upstream.health import Recent
from app.upstream.pool import Health
from app.web.admin.forms import ID_PATTERN, admin_router
from app.web.admin.rendering import Document

VendorName = Annotated[str, Path(pattern=ID_PATTERN)]


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
    async def probe(name: VendorName) -> Response:
        """Asks it once for something cheap per kind of model, which costs money, and tells what came back."""
        return JSONResponse({"vendor": name, "findings": [render_finding(one) for one in await vendors.probe(name)]})

    return routes


def render_finding(finding: Finding) -> Document:
    """What a probe found, by HTTP and on the command line."""
    return {
        "model": finding.model,
        "vendor_model": finding.vendor_model,
        "ok": finding.failure is None,
        "failure": finding.failure,
        "detail": finding.detail,
        "seconds": round(finding.seconds, 3),
        "status": finding.status,
        "form": finding.form,
        "pictures_at": list(finding.places),
        "asked": {"aspect_ratio": finding.asked.aspect_ratio, "resolution": finding.asked.resolution},
        "sizes": [str(size) for size in finding.sizes],
        "suggestions": list(finding.suggestions),
    }


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
        "timeout_s": vendor.timeout_s,
        "concurrency": vendor.concurrency,
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
        **_recent(health.recent),
    }


def _recent(recent: Recent) -> Document:
    return {
        "seen": recent.seen,
        "error_rate": _rounded(recent.error_rate),
        "delivered_image_rate": _rounded(recent.delivered_rate),
        "latency_p50_s": _rounded(recent.latency_p50_s),
        "latency_p95_s": _rounded(recent.latency_p95_s),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
