"""`/admin/webhooks`: what was sent to whom, and to send it again."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.responses import JSONResponse, Response

from app.core.errors import NotFound
from app.core.ids import new_id
from app.gateway.services import Services
from app.store import audit, outbox
from app.store.database import Tx
from app.store.outbox import Delivery
from app.web.admin.forms import ACTOR, EntityId, Listing, admin_router
from app.web.admin.rendering import Document, render_page, seconds


class DeliveryListing(Listing):
    """Which deliveries: all, or those in one state."""

    state: Literal["pending", "delivered", "failed"] | None = None


def router(services: Services) -> APIRouter:
    """The routes of webhook deliveries."""
    routes = admin_router(services)

    @routes.get("/webhooks")
    async def index(query: Annotated[DeliveryListing, InQuery()]) -> Response:
        """Deliveries, newest first."""
        page = await services.database.read(
            lambda tx: outbox.list_page(tx, state=query.state, after=query.after, limit=query.limit)
        )
        return JSONResponse(render_page(page, _render))

    @routes.post("/webhooks/{delivery_id}/redeliver")
    async def redeliver(delivery_id: EntityId) -> Response:
        """Sends an event again, under the same id, whatever became of it."""
        at = services.clock.now()

        def unit(tx: Tx) -> Delivery | None:
            before = outbox.get(tx, delivery_id)
            again = outbox.redeliver(tx, delivery_id, at=at)
            if before is not None:
                states = {"state": before.state}, {"state": "pending"}
                audit.record(tx, audit.Change(new_id("aud"), at, ACTOR, "webhook.redelivered", delivery_id, *states))
            return again

        delivery = await services.database.write(unit)
        if delivery is None:
            raise NotFound(f"There is no delivery {delivery_id!r}.")
        return JSONResponse(_render(delivery))

    return routes


def _render(delivery: Delivery) -> Document:
    return {
        "id": delivery.id,
        "task_id": delivery.task_id,
        "account_id": delivery.account_id,
        "event": delivery.event,
        "url": delivery.url,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "last_status": delivery.last_status,
        "created_at": seconds(delivery.created_at),
        "next_at": seconds(delivery.next_at) if delivery.state == "pending" else None,
        "delivered_at": seconds(delivery.delivered_at),
    }
