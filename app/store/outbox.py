"""Webhook deliveries: written in the transaction that ends a task, sent afterwards, at least once (T10)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, bindparam, func, insert, literal_column, select, update

from app.store.sql import Page, newest_first, now, page
from app.store.tables import accounts, tasks, webhook_deliveries

_PENDING = webhook_deliveries.c.state == literal_column("'pending'")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for one URL. `id` is the message id that every try carries; `attempts` counts tries begun."""

    id: str
    task_id: str
    account_id: str
    event: str
    url: str
    payload: Mapping[str, Any] = field(repr=False)
    next_at: float
    created_at: float
    state: Literal["pending", "delivered", "failed"] = "pending"
    attempts: int = 0
    last_status: int | None = None
    delivered_at: float | None = None


_URL: Final = (
    select(func.coalesce(tasks.c.webhook_url, accounts.c.webhook_url))
    .join_from(tasks, accounts)
    .where(tasks.c.id == bindparam("_task_id"))
)


def url_for(tx: Connection, task_id: str) -> str | None:
    """Where a task's end is told: the task's own URL, else its account's, else nowhere."""
    url: str | None = tx.execute(_URL, {"_task_id": task_id}).scalar_one()
    return url


def enqueue(tx: Connection, delivery: Delivery) -> None:
    """Adds a delivery to be sent from `next_at` on."""
    tx.execute(insert(webhook_deliveries).values(asdict(delivery)))


def take_due(tx: Connection, *, at: float, seconds: float, limit: int) -> tuple[Delivery, ...]:
    """Up to `limit` deliveries to try now, oldest first; nobody else gets them for `seconds`."""
    due = (
        select(webhook_deliveries.c.id)
        .where(_PENDING, webhook_deliveries.c.next_at <= now(tx, at))
        .order_by(webhook_deliveries.c.next_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    chosen = tx.execute(due).scalars().all()
    if not chosen:
        return ()
    taken = update(webhook_deliveries).where(webhook_deliveries.c.id.in_(chosen), _PENDING)
    taken = taken.values(attempts=webhook_deliveries.c.attempts + 1, next_at=now(tx, at) + seconds)
    found = [_delivery(row) for row in tx.execute(taken.returning(*webhook_deliveries.c))]
    return tuple(sorted(found, key=lambda delivery: (delivery.created_at, delivery.id)))


def mark_delivered(tx: Connection, delivery_id: str, *, status: int, at: float) -> None:
    """It was received."""
    _change(tx, delivery_id, state="delivered", last_status=status, delivered_at=at)


def retry(tx: Connection, delivery_id: str, *, status: int | None, at: float, delay_s: float) -> None:
    """It was not received; it is tried again in `delay_s`. `status` None: there was no answer."""
    _change(tx, delivery_id, last_status=status, next_at=now(tx, at) + delay_s)


def give_up(tx: Connection, delivery_id: str, *, status: int | None) -> None:
    """It was not received and is not tried again, unless an operator says so."""
    _change(tx, delivery_id, state="failed", last_status=status)


def redeliver(tx: Connection, delivery_id: str, *, at: float) -> Delivery | None:
    """Sends an event again, whatever became of it, under the same id; the delivery, or None."""
    _change(tx, delivery_id, state="pending", attempts=0, next_at=now(tx, at), delivered_at=None)
    return get(tx, delivery_id)


def get(tx: Connection, delivery_id: str) -> Delivery | None:
    """One delivery, or None."""
    row = tx.execute(select(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id)).one_or_none()
    return None if row is None else _delivery(row)


def list_page(tx: Connection, *, state: str | None = None, after: str | None = None, limit: int = 20) -> Page[Delivery]:
    """Deliveries, newest first. Raises: InvalidRequest: `after` is not a delivery's id."""
    query = select(webhook_deliveries)
    if state is not None:
        query = query.where(webhook_deliveries.c.state == state)
    rows = newest_first(tx, query, webhook_deliveries.c.created_at, after=after, limit=limit)
    found = [_delivery(row) for row in rows]
    return page(found, [delivery.id for delivery in found], limit=limit)


def _change(tx: Connection, delivery_id: str, **values: Any) -> None:
    tx.execute(update(webhook_deliveries).where(webhook_deliveries.c.id == delivery_id).values(**values))


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(**row._mapping)
