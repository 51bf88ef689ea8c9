"""Leases: who works on a task now, and until when. The task row is the queue; there is no other.

A lease is compared in the database, by one clock. Whoever holds it proves so with its token at every write.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, func, literal_column, select, update
from sqlalchemy.sql.dml import Update

from app.store.sql import now
from app.store.tables import keys, tasks
from app.store.tasks import IN_PROGRESS, LEASED, QUEUED, LeaseLost, Task, must_hit, task_of

_ABANDONED: Final = {"owner": None, "lease_until": 0.0}
"""Nobody's, or the next heartbeat of the process that had it would prolong it for good."""


_LOCK_KEY: Final = select(keys.c.id).where(keys.c.id == bindparam("_key_id")).with_for_update(key_share=True)


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim to work on a task: by which process, proven by which token, for how long from now."""

    owner: str
    token: str
    seconds: float


def lock_key(tx: Connection, key_id: str) -> None:
    """Makes others who count this key's tasks wait for this transaction. On SQLite there are no others."""
    if tx.dialect.name == "postgresql":
        tx.execute(_LOCK_KEY, {"_key_id": key_id})


def claim(
    tx: Connection, lease: Lease, *, at: float, limit: int = 1, default_concurrency: int | None = None
) -> tuple[Task, ...]:
    """Puts up to `limit` queued tasks in progress under this lease, oldest first, within their keys' concurrency (T12).

    `default_concurrency` is that of keys that do not say; None: they have none.

    Two workers never get the same task: locked rows are skipped on PostgreSQL, SQLite has one writer.
    """
    waiting = (
        select(tasks.c.id, tasks.c.key_id)
        .where(QUEUED, tasks.c.deadline_at > now(tx, at), _key_has_room(default_concurrency))
        .order_by(tasks.c.created_at, tasks.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=tasks)
    )
    candidates = [(row.id, row.key_id) for row in tx.execute(waiting)]
    if not candidates:
        return ()
    chosen = _within_concurrency(tx, candidates, default_concurrency)
    started = func.coalesce(tasks.c.started_at, at)
    return _take(tx, update(tasks).where(tasks.c.id.in_(chosen), QUEUED).values(started_at=started), lease, at)


def claim_expired(tx: Connection, lease: Lease, *, at: float, limit: int = 1) -> tuple[Task, ...]:
    """Moves up to `limit` tasks whose lease ran out to this lease; their attempts tell how to go on.

    Never the owner's own: it is alive, and where a clock was set forward its next heartbeat prolongs them (H98).
    """
    orphaned = (
        select(tasks.c.id)
        .where(IN_PROGRESS, tasks.c.lease_until <= now(tx, at), tasks.c.owner.is_distinct_from(lease.owner))
        .order_by(tasks.c.lease_until)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    chosen = tx.execute(orphaned).scalars().all()
    if not chosen:
        return ()
    return _take(tx, update(tasks).where(tasks.c.id.in_(chosen), IN_PROGRESS), lease, at)


def renew(tx: Connection, task_id: str, lease: Lease, *, at: float) -> bool:
    """Prolongs a lease; true when the client has asked to cancel. Raises: LeaseLost."""
    prolonged = LEASED.values(lease_until=now(tx, at) + lease.seconds).returning(tasks.c.cancel_requested)
    row = tx.execute(prolonged, {"_id": task_id, "_token": lease.token}).one_or_none()
    if row is None:
        raise LeaseLost(task_id)
    return bool(row.cancel_requested)


def renew_all(tx: Connection, *, owner: str, seconds: float, at: float) -> frozenset[str]:
    """Prolongs every lease of one process in one statement; the ids of those tasks that are to be cancelled.

    A row that is locked is left for the next time: whoever settles several tasks at once holds it, and waits for none.
    """
    mine = select(tasks.c.id).where(tasks.c.owner == owner, IN_PROGRESS)
    free = mine.with_for_update(skip_locked=True, key_share=True)
    tx.execute(update(tasks).where(tasks.c.id.in_(free), IN_PROGRESS).values(lease_until=now(tx, at) + seconds))
    cancelled = select(tasks.c.id).where(tasks.c.owner == owner, IN_PROGRESS, tasks.c.cancel_requested)
    return frozenset(tx.execute(cancelled).scalars())


def abandon_all(tx: Connection, *, owner: str) -> None:
    """Ends the leases of a process that leaves, so that others take its tasks over at once."""
    tx.execute(update(tasks).where(tasks.c.owner == owner, IN_PROGRESS).values(_ABANDONED))


def abandon(tx: Connection, task_id: str, *, lease_token: str) -> None:
    """Ends one lease, if it is still that one, so that the task is taken over at once."""
    tx.execute(LEASED, {"_id": task_id, "_token": lease_token, **_ABANDONED})


def hand_back(tx: Connection, task_id: str, *, lease_token: str) -> None:
    """Puts a task back in the queue; only for one of which nothing was sent to a vendor. Raises: LeaseLost."""
    queued = {"status": "queued", "owner": None, "lease_token": None, "lease_until": None}
    must_hit(tx, LEASED, {"_id": task_id, "_token": lease_token, **queued})


def _key_has_room(default: int | None) -> Any:
    """Whether the key of a queued task runs fewer tasks than it may."""
    running = tasks.alias("running")
    count = (
        select(func.count())
        .where(running.c.key_id == tasks.c.key_id, running.c.status == literal_column("'in_progress'"))
        .correlate(tasks)  # said, since two levels down it is not found: this would count pairs of tasks
        .scalar_subquery()
    )
    full = select(keys.c.id).where(keys.c.id == tasks.c.key_id, _concurrency(default) <= count)
    return ~full.exists()


def _concurrency(default: int | None) -> ColumnElement[int | None]:
    return keys.c.concurrency if default is None else func.coalesce(keys.c.concurrency, default)


def _within_concurrency(tx: Connection, candidates: Collection[tuple[str, str]], default: int | None) -> list[str]:
    """Those that their keys' limits let run. Counted after the keys are locked: before, another may be claiming too."""
    key_ids = sorted({key_id for _, key_id in candidates})
    limited = (
        select(keys.c.id, _concurrency(default).label("concurrency"))
        .where(keys.c.id.in_(key_ids), _concurrency(default).is_not(None))
        .order_by(keys.c.id)
        .with_for_update(key_share=True)
    )
    room = {row.id: row.concurrency for row in tx.execute(limited)}
    if not room:
        return [task_id for task_id, _ in candidates]
    running = select(tasks.c.key_id, func.count().label("tasks")).where(tasks.c.key_id.in_(room), IN_PROGRESS)
    for row in tx.execute(running.group_by(tasks.c.key_id)):
        room[row.key_id] -= row.tasks
    chosen = []
    for task_id, key_id in candidates:
        if room.get(key_id, 1) > 0:
            chosen.append(task_id)
            if key_id in room:
                room[key_id] -= 1
    return chosen


def _take(tx: Connection, chosen: Update, lease: Lease, at: float) -> tuple[Task, ...]:
    taken = chosen.values(
        status="in_progress", owner=lease.owner, lease_token=lease.token, lease_until=now(tx, at) + lease.seconds
    )
    found = [task_of(row) for row in tx.execute(taken.returning(*tasks.c))]
    return tuple(sorted(found, key=lambda task: (task.created_at, task.id)))
