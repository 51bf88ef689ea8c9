"""Tasks: one admitted image request each, and the queue: a worker's lease is three columns of the row.

Every write by a worker is fenced: it names the lease it was given and must hit the row, or the lease was lost (T4).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.sql.dml import Update

from app.core.task import TaskStatus, advance
from app.store.sql import Page, newest_first, now, page, row_of
from app.store.tables import attempts, tasks

Mode = Literal["sync", "async"]
IDS_AT_ONCE: Final = 1000

# Written out, not bound: a parameter would keep both databases from using the partial indexes.
QUEUED: Final = tasks.c.status == literal_column("'queued'")
IN_PROGRESS: Final = tasks.c.status == literal_column("'in_progress'")

# The hot statements are built once; building one costs more than running it.
LEASED: Final = update(tasks).where(
    tasks.c.id == bindparam("_id"), tasks.c.lease_token == bindparam("_token"), IN_PROGRESS
)
"""An UPDATE of a task in progress that misses when the lease is another one by now."""
_UNCLAIMED: Final = update(tasks).where(tasks.c.id == bindparam("_id"), QUEUED)
_INSERT: Final = insert(tasks)
_ONE: Final = select(tasks).where(tasks.c.id == bindparam("_id"))
_DEMAND: Final = (
    select(tasks.c.cancel_requested)
    .where(tasks.c.id == bindparam("_id"), tasks.c.lease_token == bindparam("_token"), IN_PROGRESS)
    .with_for_update(read=True)
)
_FORWARD: Final = LEASED.where(tasks.c.progress < bindparam("_percent")).values(progress=bindparam("_percent"))


def _count(condition: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(tasks.c.key_id == bindparam("_key_id"), condition).scalar_subquery()


_UNFINISHED: Final = select(_count(IN_PROGRESS), _count(QUEUED))


class LeaseLost(Exception):
    """Another worker, a sweeper or the client ended or took the task: what was about to be written is void."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it is stored. `price_units` is per picture, as it was at admission; `units` is what was charged.

    `request` is what dispatch needs to go on after a restart; `error` is the client's error object; `warnings` and
    `usage` are as they are rendered. `lease_until`, `deadline_at` and `expires_at` are unix seconds.
    """

    id: str
    account_id: str
    key_id: str
    model: str
    surface: str
    mode: Mode
    status: TaskStatus
    request: Mapping[str, Any] = field(repr=False)
    n: int
    price_units: int
    hold_units: int
    catalog_revision: int
    created_at: float
    deadline_at: float
    units: int = 0
    images_delivered: int = 0
    progress: int = 0
    owner: str | None = None
    lease_token: str | None = None
    lease_until: float | None = None
    cancel_requested: bool = False
    error: Mapping[str, Any] | None = None
    warnings: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] | None = None
    text: str = field(default="", repr=False)
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    webhook_url: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """How a task ends. `units` is what is captured (0: released), `expires_at` when its pictures are erased."""

    status: Literal[TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED]
    units: int = 0
    images_delivered: int = 0
    error: Mapping[str, Any] | None = None
    warnings: Sequence[Mapping[str, Any]] = ()
    usage: Mapping[str, Any] | None = None
    text: str = ""
    expires_at: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a task is, by whoever holds the lease."""

    task_id: str
    lease_token: str
    percent: int


def create(tx: Connection, task: Task) -> None:
    """Adds a task, queued, or in progress with the lease of the process that serves it."""
    assert task.status in (TaskStatus.QUEUED, TaskStatus.IN_PROGRESS)
    tx.execute(_INSERT, {**row_of(task), "warnings": list(task.warnings)})


def get(tx: Connection, task_id: str, *, account_id: str | None = None) -> Task | None:
    """One task, or None. With `account_id`, another account's task is None as an unknown one is (T9)."""
    row = tx.execute(_ONE, {"_id": task_id}).one_or_none()
    return None if row is None or account_id not in (None, row.account_id) else task_of(row)


def unfinished(tx: Connection, ids: Collection[str]) -> frozenset[str]:
    """Those of the ids whose task is there and has not ended."""
    found: set[str] = set()
    asked = sorted(ids)
    for first in range(0, len(asked), IDS_AT_ONCE):
        query = select(tasks.c.id).where(tasks.c.id.in_(asked[first : first + IDS_AT_ONCE]))
        found.update(tx.execute(query.where(tasks.c.finished_at.is_(None))).scalars())
    return frozenset(found)


def list_page(
    tx: Connection,
    *,
    account_id: str | None = None,
    key_id: str | None = None,
    status: TaskStatus | None = None,
    model: str | None = None,
    vendor: str | None = None,
    after: str | None = None,
    limit: int = 20,
) -> Page[Task]:
    """Tasks, newest first; `vendor`: those tried there. Raises: InvalidRequest: `after` is not in this list."""
    given = {"account_id": account_id, "key_id": key_id, "status": status, "model": model}
    query = select(tasks).where(*(tasks.c[name] == value for name, value in given.items() if value is not None))
    if vendor is not None:
        query = query.where(tasks.c.id.in_(select(attempts.c.task_id).where(attempts.c.vendor == vendor)))
    within = () if account_id is None else (tasks.c.account_id == account_id,)
    rows = newest_first(tx, query, tasks.c.created_at, after=after, limit=limit, within=within)
    found = [task_of(row) for row in rows]
    return page(found, [task.id for task in found], limit=limit)


def count_unfinished(tx: Connection, key_id: str) -> tuple[int, int]:
    """How many of a key's tasks run and wait now; to make a limit exact on PostgreSQL, call `leases.lock_key` first."""
    running, queued = tx.execute(_UNFINISHED, {"_key_id": key_id}).one()
    return running, queued


def set_progress(tx: Connection, told: Sequence[Progress]) -> None:
    """Moves tasks' progress forward; it never goes back, and a lost lease moves nothing."""
    tx.execute(_FORWARD, [{"_id": one.task_id, "_token": one.lease_token, "_percent": one.percent} for one in told])


def finish(tx: Connection, task_id: str, *, lease_token: str | None, outcome: Finish, at: float) -> None:
    """Ends a task, once. `lease_token` None: a queued one that nobody has claimed.

    Raises:
        LeaseLost: it is not queued any more, or not leased so any more, or has ended.
    """
    advance(TaskStatus.QUEUED if lease_token is None else TaskStatus.IN_PROGRESS, outcome.status)
    values = {**row_of(outcome), "warnings": list(outcome.warnings), "finished_at": at}
    if outcome.status is TaskStatus.SUCCEEDED:
        values["progress"] = 100
    values |= {"_id": task_id, "owner": None, "lease_token": None, "lease_until": None}
    if lease_token is None:
        must_hit(tx, _UNCLAIMED, values)
    else:
        must_hit(tx, LEASED, {**values, "_token": lease_token})


def request_cancel(tx: Connection, task_id: str, *, account_id: str | None = None) -> Task | None:
    """Asks for a task to be cancelled; the task as it is now, or None when there is no such task.

    A queued one is the caller's to end, in this transaction, with `finish(lease_token=None)`; one in progress is told
    to its worker by `leases.renew`; one that has ended is left alone.
    """
    query = update(tasks).where(tasks.c.id == task_id, tasks.c.finished_at.is_(None))
    if account_id is not None:
        query = query.where(tasks.c.account_id == account_id)
    tx.execute(query.values(cancel_requested=True))
    return get(tx, task_id, account_id=account_id)


def demand_lease(tx: Connection, task_id: str, lease_token: str) -> bool:
    """Makes sure, until the transaction ends, that the task is still leased so; true when it is to be cancelled.

    Raises: LeaseLost.
    """
    row = tx.execute(_DEMAND, {"_id": task_id, "_token": lease_token}).one_or_none()
    if row is None:
        raise LeaseLost(task_id)
    return bool(row.cancel_requested)


def overdue(tx: Connection, *, at: float, limit: int) -> tuple[Task, ...]:
    """Queued tasks whose deadline has passed, locked, for the sweeper to fail and release."""
    query = (
        select(tasks)
        .where(QUEUED, tasks.c.deadline_at <= now(tx, at))
        .order_by(tasks.c.deadline_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return tuple(task_of(row) for row in tx.execute(query))


def must_hit(tx: Connection, fenced: Update, values: Mapping[str, Any]) -> None:
    """Runs a fenced UPDATE of the task `_id`. Raises: LeaseLost: it hit no row."""
    if tx.execute(fenced, values).rowcount != 1:
        raise LeaseLost(values["_id"])


def task_of(row: Row[Any]) -> Task:
    """A row of the table as a Task."""
    values = dict(row._mapping)
    return Task(**{**values, "status": TaskStatus(values["status"]), "warnings": tuple(values["warnings"])})
