"""Attempts: each try of a task at a target, written before bytes leave, so that a crash never hides a paid call (L10).

The state changes only as `core.attempt.ATTEMPT_TRANSITIONS` allows; a write that finds another state changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, bindparam, func, insert, literal_column, select, update
from sqlalchemy.sql.dml import Update

from app.core.attempt import ATTEMPT_TRANSITIONS, AttemptState
from app.store.sql import Page, newest_first, page, row_of
from app.store.tables import attempts


class AttemptMoved(Exception):
    """The attempt is not in a state that allows this: somebody else has resolved it."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. `slot` is which of a task's calls it serves, `ordinal` which try of that call; both count from 0.

    `failure` is a `core.exchange.Failure`, `detail` the vendor's own text, `handle` the vendor's id of accepted work,
    `credential` the id of the credential it was sent with.
    `cost_units`: what the vendor bills us. `exposure_units`: what it may bill us for an answer that never came (L12).
    """

    id: str
    task_id: str
    slot: int
    ordinal: int
    vendor: str
    vendor_model: str
    images_asked: int
    created_at: float
    state: AttemptState = AttemptState.INTENDED
    credential: str | None = None
    handle: str | None = None
    images_delivered: int = 0
    http_status: int | None = None
    failure: str | None = None
    detail: str | None = None
    cost_units: int = 0
    exposure_units: int = 0
    sent_at: float | None = None
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended. An accepted one may have failed afterwards: `failure` says how."""

    state: AttemptState
    images_delivered: int = 0
    http_status: int | None = None
    failure: str | None = None
    detail: str | None = None
    cost_units: int = 0
    exposure_units: int = 0


# The hot statements are built once; building one costs more than running it.
_INSERT: Final = insert(attempts)


def _towards(state: AttemptState, *, ending: bool = False) -> Update:
    """An UPDATE that hits only in the states from which this follows; ending, an accepted attempt may stay accepted."""
    before = {earlier for earlier, following in ATTEMPT_TRANSITIONS.items() if state in following}
    if ending and state is AttemptState.ACCEPTED:
        before.add(state)
    hit = attempts.c.state.in_([literal_column(f"'{earlier}'") for earlier in sorted(before)])
    unresolved = attempts.c.finished_at.is_(None) | (attempts.c.state == literal_column("'unknown'"))
    return update(attempts).where(attempts.c.id == bindparam("_id"), hit, unresolved)


_SENT: Final = _towards(AttemptState.SENT)
_ACCEPTED: Final = _towards(AttemptState.ACCEPTED)
_ENDED: Final = {state: _towards(state, ending=True) for state in AttemptState}
_OF_TASK: Final = (
    select(attempts).where(attempts.c.task_id == bindparam("_task_id")).order_by(attempts.c.slot, attempts.c.ordinal)
)
_ONE: Final = select(attempts).where(attempts.c.id == bindparam("_id"))


def intend(tx: Connection, attempt: Attempt) -> None:
    """Adds an attempt; committed before anything is sent."""
    assert attempt.state in (AttemptState.INTENDED, AttemptState.SENT)
    tx.execute(_INSERT, row_of(attempt))


def mark_sent(tx: Connection, attempt_id: str, *, at: float, credential: str | None = None) -> None:
    """From now on bytes may have left, with that credential. Raises: AttemptMoved."""
    _must_hit(tx, _SENT, attempt_id, {"state": AttemptState.SENT, "sent_at": at, "credential": credential})


def store_handle(tx: Connection, attempt_id: str, *, handle: str) -> None:
    """The vendor accepted the work under `handle`; it is polled from now on, never sent again. Raises: AttemptMoved."""
    _must_hit(tx, _ACCEPTED, attempt_id, {"state": AttemptState.ACCEPTED, "handle": handle})


def resolve(tx: Connection, attempt_id: str, result: Result, *, at: float) -> None:
    """Ends an attempt, once; one that ended as unknown may be resolved by an operator later. Raises: AttemptMoved."""
    _must_hit(tx, _ENDED[result.state], attempt_id, {**row_of(result), "finished_at": at})


def get(tx: Connection, attempt_id: str) -> Attempt | None:
    """One attempt, or None."""
    row = tx.execute(_ONE, {"_id": attempt_id}).one_or_none()
    return None if row is None else _attempt(row)


def list_for_task(tx: Connection, task_id: str) -> tuple[Attempt, ...]:
    """A task's attempts, slot by slot, in the order they were tried."""
    return tuple(_attempt(row) for row in tx.execute(_OF_TASK, {"_task_id": task_id}))


def list_unknown(tx: Connection, *, after: str | None = None, limit: int = 20) -> Page[Attempt]:
    """Attempts whose outcome an operator has to find out, newest first."""
    query = select(attempts).where(attempts.c.state == AttemptState.UNKNOWN)
    found = [_attempt(row) for row in newest_first(tx, query, attempts.c.created_at, after=after, limit=limit)]
    return page(found, [attempt.id for attempt in found], limit=limit)


def exposure_by_vendor(tx: Connection) -> dict[str, int]:
    """Units that vendors may yet bill for unknown attempts."""
    total = func.sum(attempts.c.exposure_units)
    query = select(attempts.c.vendor, total).where(attempts.c.state == AttemptState.UNKNOWN).group_by(attempts.c.vendor)
    return {vendor: int(units) for vendor, units in tx.execute(query)}


def _must_hit(tx: Connection, guarded: Update, attempt_id: str, values: Mapping[str, Any]) -> None:
    if tx.execute(guarded, {"_id": attempt_id, **values}).rowcount != 1:
        raise AttemptMoved(attempt_id)


def _attempt(row: Row[Any]) -> Attempt:
    values = dict(row._mapping)
    return Attempt(**{**values, "state": AttemptState(values["state"])})
