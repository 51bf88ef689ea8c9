"""`GET /metrics`: what Prometheus scrapes. The admin key opens it, or a token that opens nothing else."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import Response

from app.gateway.services import Services
from app.web.auth import demand_metrics
from app.web.load import Load


def router(services: Services, load: Load) -> APIRouter:
    """The route of the metrics, `load` being that of the process."""
    routes = APIRouter(tags=["metrics"])

    @routes.get("/metrics", response_class=Response)
    async def show(request: Request) -> Response:
        """Counters of the processes behind this socket and gauges of the installation, as text."""
        demand_metrics(request, services)
        load.tell(memory=load.measure_memory())
        text = services.metrics.told() + generate_latest(await services.gauges.read())
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST, "cache-control": "no-store"})

    return routes
