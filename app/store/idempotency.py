"""Idempotency records: who claimed an account's key, and the answer that duplicates get.

A key is claimed by INSERT, never by looking first (L7), in the transaction that admits the work.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, delete, select, update

from app.store.sql import insert_if_absent, now
from app.store.tables import idempotency

BODY_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claimed:
    """The key is the caller's: it does the work and completes the record."""


@dataclass(frozen=True, slots=True)
class Record:
    """Somebody claimed the key before. `body` None in a record that is done: the answer is rebuilt from the task."""

    account_id: str
    key: str
    fingerprint: str
    task_id: str | None
    state: Literal["running", "done"]
    status: int | None
    headers: Mapping[str, str] | None
    body: bytes | None = field(repr=False)
    created_at: float
    expires_at: float


def claim(
    tx: Connection, *, account_id: str, key: str, fingerprint: str, task_id: str | None, at: float, expires_at: float
) -> Claimed | Record:
    """Claims a key for the work `task_id`, or returns whose it is. A record that has expired is no record."""
    mine = (idempotency.c.account_id == account_id, idempotency.c.key == key)
    tx.execute(delete(idempotency).where(*mine, idempotency.c.expires_at <= now(tx, at)))
    row = {"account_id": account_id, "key": key, "fingerprint": fingerprint, "task_id": task_id}
    claimed = insert_if_absent(tx, idempotency).values(**row, state="running", created_at=at, expires_at=expires_at)
    if tx.execute(claimed).rowcount == 1:
        return Claimed()
    return _record(tx.execute(select(idempotency).where(*mine)).one())


def get(tx: Connection, *, account_id: str, key: str) -> Record | None:
    """The record as it stands, for a duplicate that waits for the first answer; None when it was dropped."""
    query = select(idempotency).where(idempotency.c.account_id == account_id, idempotency.c.key == key)
    row = tx.execute(query).one_or_none()
    return None if row is None else _record(row)


def complete(
    tx: Connection, *, account_id: str, key: str, status: int, headers: Mapping[str, str], body: bytes | None
) -> None:
    """Keeps the answer for duplicates: `body` byte for byte (at most 1 MiB), or None to rebuild it from the task."""
    assert body is None or len(body) <= BODY_BYTES_MAX
    record = update(idempotency).where(idempotency.c.account_id == account_id, idempotency.c.key == key)
    tx.execute(record.values(state="done", status=status, headers=dict(headers), body=body))


def drop(tx: Connection, *, account_id: str, key: str) -> None:
    """Forgets a claim whose work never started; one that is done stays."""
    tx.execute(
        delete(idempotency).where(
            idempotency.c.account_id == account_id, idempotency.c.key == key, idempotency.c.state == "running"
        )
    )


def forget(tx: Connection, *, account_id: str, key: str) -> None:
    """Removes a record, whatever its state: what comes now is a new request, not a repeat."""
    tx.execute(delete(idempotency).where(idempotency.c.account_id == account_id, idempotency.c.key == key))


def expire(tx: Connection, *, at: float, limit: int) -> int:
    """Removes up to `limit` records whose time is over; how many."""
    old = (
        select(idempotency.c.account_id, idempotency.c.key).where(idempotency.c.expires_at <= now(tx, at)).limit(limit)
    )
    gone = 0
    for row in tx.execute(old).all():
        this = (idempotency.c.account_id == row.account_id, idempotency.c.key == row.key)
        gone += tx.execute(delete(idempotency).where(*this, idempotency.c.expires_at <= now(tx, at))).rowcount
    return gone


def _record(row: Row[Any]) -> Record:
    return Record(**row._mapping)
