"""Removes records that are older than an operator wants to keep: tasks with all that belongs to them, chats, the audit.

The ledger is for ever: entries are never removed, and its proof does not need the tasks. Reports of usage read tasks
and chats: they reach back as far as these do.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    delete,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
)

from app.store.tables import attempts, audit, chats, media, tasks, webhook_deliveries

_ENDED: Final = tasks.c.status.in_([literal_column(f"'{status}'") for status in ("succeeded", "failed", "cancelled")])
_BELONG: Final = (webhook_deliveries, media, attempts)
"""Tables whose rows go with their task, before it."""


TURN: Final = 0x6F6E7072  # "onpr"
"""The advisory lock of whoever removes now."""


@dataclass(frozen=True, slots=True)
class Before:
    """Unix seconds; what was made earlier is old. None: all of that kind is kept."""

    tasks: float | None = None
    chats: float | None = None
    audit: float | None = None


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


def take_turn(tx: Connection) -> bool:
    """Whether this transaction is the one that removes: of all processes one does at a time, until it has committed.

    A lease that nobody has to renew, and that no dead process keeps. SQLite has one process that writes.
    """
    return tx.dialect.name == "sqlite" or bool(tx.scalar(select(func.pg_try_advisory_xact_lock(TURN))))


def prunable(tx: Connection, *, before: Before) -> Pruned:
    """What `prune` would remove in all. It counts: on a large database this takes as long as reading it."""
    gone = select(tasks.c.id).where(*_old_tasks(before.tasks))
    belonging = {table.name: _count(tx, table, table.c.task_id.in_(gone)) for table in _BELONG}
    return Pruned(
        tasks=_count(tx, tasks, *_old_tasks(before.tasks)),
        chats=_count(tx, chats, *_old_chats(before.chats)),
        audit=_count(tx, audit, _older(audit.c.at, before.audit)),
        **belonging,
    )


def prune(tx: Connection, *, before: Before, limit: int) -> Pruned:
    """Removes up to `limit` tasks with what belongs to them, as many chats and audit records, the oldest first; what it
    removed, nothing when nothing is left.

    A task stays that has not ended, whose pictures are still kept, whose webhook is not delivered, or of which a vendor
    may yet send a bill that nobody has resolved; so does a chat with such a bill.
    """
    ids = _oldest(tx, tasks, tasks.c.created_at, limit, *_old_tasks(before.tasks))
    belonging = {table.name: tx.execute(delete(table).where(table.c.task_id.in_(ids))).rowcount for table in _BELONG}
    return Pruned(
        tasks=_remove(tx, tasks, ids),
        chats=_remove(tx, chats, _oldest(tx, chats, chats.c.created_at, limit, *_old_chats(before.chats))),
        audit=_remove(tx, audit, _oldest(tx, audit, audit.c.at, limit, _older(audit.c.at, before.audit))),
        **belonging,
    )


def _older(time: Column[float], before: float | None) -> ColumnElement[bool]:
    return false() if before is None else time < before


def _old_tasks(before: float | None) -> tuple[ColumnElement[bool], ...]:
    owed = (attempts.c.state == literal_column("'unknown'")) | (attempts.c.exposure_units > 0)
    return (
        _older(tasks.c.created_at, before),
        _ENDED,
        ~exists().where(media.c.task_id == tasks.c.id, media.c.erased_at.is_(None)),
        ~exists().where(
            webhook_deliveries.c.task_id == tasks.c.id, webhook_deliveries.c.state == literal_column("'pending'")
        ),
        ~exists().where(attempts.c.task_id == tasks.c.id, or_(owed, attempts.c.finished_at.is_(None))),
    )


def _old_chats(before: float | None) -> tuple[ColumnElement[bool], ...]:
    return (_older(chats.c.created_at, before), chats.c.exposure_units == 0)


def _oldest(tx: Connection, table: Table, time: Column[float], limit: int, *old: ColumnElement[bool]) -> Sequence[str]:
    """Their ids. What another transaction has, such as a second `oneshape prune`, is left to it."""
    free = select(table.c.id).where(*old).order_by(time, table.c.id).limit(limit).with_for_update(skip_locked=True)
    return tx.execute(free).scalars().all()


def _remove(tx: Connection, table: Table, ids: Sequence[str]) -> int:
    return int(tx.execute(delete(table).where(table.c.id.in_(ids))).rowcount)


def _count(tx: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return int(tx.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())
