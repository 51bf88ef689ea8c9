"""What outsiders are told of tasks: an event is written in the transaction that ends the task, and signed when sent.

Standard Webhooks (wire-facts 6.3): three headers, HMAC-SHA256 over `id.timestamp.body`, several signatures while a
secret is being replaced.
"""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

import orjson

from app.core.ids import new_id
from app.core.task import TaskStatus
from app.gateway.task_views import TaskViews, find_rows
from app.store import outbox
from app.store.accounts import Account
from app.store.database import Tx
from app.store.outbox import Delivery
from app.surfaces import image_tasks

EVENTS: Final = {
    TaskStatus.SUCCEEDED: "image.task.succeeded",
    TaskStatus.FAILED: "image.task.failed",
    TaskStatus.CANCELLED: "image.task.cancelled",
}
_PREFIX: Final = "whsec_"


class Announcer:
    """Writes the event of a task that has just ended, where it or its account names a URL."""

    def __init__(self, views: TaskViews) -> None:
        self._views = views

    def __call__(self, tx: Tx, task_id: str, at: float) -> None:
        """Adds the delivery in `tx` (T10). Pictures are told by their links, never by their bytes."""
        url = outbox.url_for(tx, task_id)
        if url is None:
            return
        rows = find_rows(tx, task_id, at=at)
        assert rows is not None, "only a task that exists ends"
        task = rows.task
        event = EVENTS[task.status]
        view = self._views.view(rows, base_url=str(task.request.get("base_url", "")), now=at)
        payload = {
            "type": event,
            "timestamp": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": image_tasks.render_task(view)["data"],
        }
        outbox.enqueue(tx, Delivery(new_id("msg"), task.id, task.account_id, event, url, payload, at, at))


def message(delivery: Delivery, account: Account, *, now: float) -> tuple[bytes, dict[str, str]]:
    """The body to send and its headers, signed at unix seconds `now` with every secret that counts then."""
    body = orjson.dumps(delivery.payload)
    timestamp = str(int(now))
    signed = f"{delivery.id}.{timestamp}.".encode() + body
    return body, {
        "content-type": "application/json",
        "user-agent": "oneshape",
        "webhook-id": delivery.id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in _secrets(account, now)),
    }


def _secrets(account: Account, now: float) -> list[str]:
    old = account.webhook_secret_old if (account.webhook_secret_old_until or 0.0) > now else None
    return [secret for secret in (account.webhook_secret, old) if secret]


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    assert key, "an empty secret signs nothing (New API CVE-2026-41432)"
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
