"""Removes records that are older than an operator wants to keep: tasks with all that belongs to them, chats, the audit.

The ledger is for ever: entries are never removed, and its proof does not need the tasks. Reports of usage read tasks
and chats: they reach back as far as these do.
"""

from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import Column, ColumnElement, Connection, Table, delete, exists, func, literal_column, or_, select

from app.store.tables import attempts, audit, chats, media, tasks, webhook_deliveries

_ENDED: Final = tasks.c.status.in_([literal_column(f"'{status}'") for status in ("succeeded", "failed", "cancelled")])
_BELONG: Final = (webhook_deliveries, media, attempts)
"""Tables whose rows go with their task, before it."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows of each."""

    tasks: int = 0
    attempts: int = 0
    media: int = 0
    webhook_deliveries: int = 0
    chats: int = 0
    audit: int = 0

    def __add__(self, other: "Pruned") -> "Pruned":
        return Pruned(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __bool__(self) -> bool:
        return any(getattr(self, one.name) for one in fields(self))


def prunable(tx: Connection, *, before: float) -> Pruned:
    """What `prune` would remove in all. It counts: on a large database this takes as long as reading it."""
    gone = select(tasks.c.id).where(*_old_tasks(before))
    belonging = {table.name: _count(tx, table, table.c.task_id.in_(gone)) for table in _BELONG}
    return Pruned(
        tasks=_count(tx, tasks, *_old_tasks(before)),
        chats=_count(tx, chats, *_old_chats(before)),
        audit=_count(tx, audit, audit.c.at < before),
        **belonging,
    )


def prune(tx: Connection, *, before: float, limit: int) -> Pruned:
    """Removes up to `limit` tasks with what belongs to them, as many chats and audit records, made before unix seconds
    `before`, the oldest first; what it removed, nothing when nothing is left.

    A task stays that has not ended, whose pictures are still kept, whose webhook is not delivered, or of which a vendor
    may yet send a bill that nobody has resolved; so does a chat with such a bill.
    """
    old = select(tasks.c.id).where(*_old_tasks(before)).order_by(tasks.c.created_at, tasks.c.id).limit(limit)
    ids = list(tx.execute(old).scalars())
    belonging = {table.name: tx.execute(delete(table).where(table.c.task_id.in_(ids))).rowcount for table in _BELONG}
    return Pruned(
        tasks=tx.execute(delete(tasks).where(tasks.c.id.in_(ids))).rowcount,
        chats=_remove(tx, chats, chats.c.created_at, limit, *_old_chats(before)),
        audit=_remove(tx, audit, audit.c.at, limit, audit.c.at < before),
        **belonging,
    )


def _old_tasks(before: float) -> tuple[ColumnElement[bool], ...]:
    owed = (attempts.c.state == literal_column("'unknown'")) | (attempts.c.exposure_units > 0)
    return (
        tasks.c.created_at < before,
        _ENDED,
        ~exists().where(media.c.task_id == tasks.c.id, media.c.erased_at.is_(None)),
        ~exists().where(
            webhook_deliveries.c.task_id == tasks.c.id, webhook_deliveries.c.state == literal_column("'pending'")
        ),
        ~exists().where(attempts.c.task_id == tasks.c.id, or_(owed, attempts.c.finished_at.is_(None))),
    )


def _old_chats(before: float) -> tuple[ColumnElement[bool], ...]:
    return (chats.c.created_at < before, chats.c.exposure_units == 0)


def _remove(tx: Connection, table: Table, time: Column[float], limit: int, *old: ColumnElement[bool]) -> int:
    ids = select(table.c.id).where(*old).order_by(time, table.c.id).limit(limit)
    return int(tx.execute(delete(table).where(table.c.id.in_(list(tx.execute(ids).scalars())))).rowcount)


def _count(tx: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return int(tx.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())
