"""Webhook deliveries over HTTP: listed by state, and sent again under the same id."""

import httpx

from app.gateway.services import Services
from app.store import outbox
from app.store.database import Tx
from app.store.outbox import Delivery
from tests.admin.support import NOW, refused, told
from tests.store.rows import a_task, add_account, admit


def two_deliveries(tx: Tx) -> None:
    add_account(tx, units=100)
    admit(tx, a_task())
    for number in (1, 2):
        url, at = "https://hooks.example/", NOW + number
        payload = {"type": "image.task.failed", "data": {"prompt": "a mug"}}
        outbox.enqueue(tx, Delivery(f"msg_{number}", "task_1", "acc_1", "image.task.failed", url, payload, at, at))
    outbox.give_up(tx, "msg_1", status=503)


async def test_deliveries_are_listed_newest_first_by_state(admin: httpx.AsyncClient, services: Services) -> None:
    await services.database.write(two_deliveries)
    everything = told(await admin.get("/admin/webhooks"))["items"]
    assert [item["id"] for item in everything] == ["msg_2", "msg_1"]
    [failed] = told(await admin.get("/admin/webhooks", params={"state": "failed"}))["items"]
    assert (failed["id"], failed["last_status"], failed["next_at"]) == ("msg_1", 503, None)
    refused(await admin.get("/admin/webhooks", params={"state": "lost"}), 400, "invalid_value", "state")


async def test_a_delivery_is_sent_again_under_its_id(admin: httpx.AsyncClient, services: Services) -> None:
    await services.database.write(two_deliveries)
    again = told(await admin.post("/admin/webhooks/msg_1/redeliver"))
    assert (again["id"], again["state"], again["attempts"]) == ("msg_1", "pending", 0)
    due = await services.database.write(lambda tx: outbox.take_due(tx, at=NOW + 10, seconds=30, limit=10))
    assert {delivery.id for delivery in due} == {"msg_1", "msg_2"}
    [change] = told(await admin.get("/admin/audit", params={"subject": "msg_1"}))["items"]
    assert (change["before"], change["after"]) == ({"state": "failed"}, {"state": "pending"})
    refused(await admin.post("/admin/webhooks/msg_3/redeliver"), 404, "not_found")
    assert told(await admin.get("/admin/audit", params={"subject": "msg_3"}))["items"] == []
