"""Idempotency records: who claimed an account's key, and the answer that duplicates get.

A key is claimed by INSERT, never by looking first (L7): for a task in the transaction that admits it; for a text
request before anything else, as a lease that its owner renews until the answer is kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, literal, select, update

from app.store.sql import insert_if_absent, now
from app.store.tables import idempotency

BODY_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claimed:
    """The key is the caller's: it does the work and completes the record."""


@dataclass(frozen=True, slots=True)
class Record:
    """Somebody claimed the key before, for the work `task_id`: a task, which the answer is rebuilt from, or a text
    request, which is `running` and then `done`. `body` None in one that is done: it was too large to be kept.
    """

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


@dataclass(frozen=True, slots=True)
class Owner:
    """A text request that claimed a key. `task_id` is its charge id, and the proof that the claim is still its own."""

    account_id: str
    key: str
    task_id: str


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as a duplicate gets it. `body` None: it was too large to be kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer, whose it is, and for how many seconds duplicates get it.

    `fingerprint` is there when the claim was made late, or still is being made: it is made with the answer then.
    """

    owner: Owner
    reply: Reply
    seconds: float
    fingerprint: str | None = None


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


def renew(tx: Connection, owner: Owner, *, at: float, seconds: float) -> None:
    """Lets a claim that is running last for `seconds` from now, unless its owner has lost it."""
    tx.execute(update(idempotency).where(_owned(owner)).values(expires_at=now(tx, at) + seconds))


def lapsed(tx: Connection, record: Record, *, at: float) -> bool:
    """Whether the record's time is over: one that is still running has lost its owner."""
    return bool(tx.scalar(select(literal(record.expires_at) <= now(tx, at))))


def keep(tx: Connection, kept: Kept, *, at: float) -> bool:
    """Keeps an answer byte for byte (at most 1 MiB) for duplicates. False: the claim is no longer its owner's."""
    reply, owner = kept.reply, kept.owner
    assert reply.body is None or len(reply.body) <= BODY_BYTES_MAX
    if kept.fingerprint is not None:
        claim(
            tx,
            account_id=owner.account_id,
            key=owner.key,
            fingerprint=kept.fingerprint,
            task_id=owner.task_id,
            at=at,
            expires_at=at + kept.seconds,
        )
    answer = {"status": reply.status, "headers": dict(reply.headers), "body": reply.body}
    done = update(idempotency).where(_owned(owner)).values(state="done", **answer)
    return tx.execute(done.values(expires_at=now(tx, at) + kept.seconds)).rowcount == 1


def drop(tx: Connection, owner: Owner) -> None:
    """Forgets a claim whose work never started; one that is done, or another's, stays."""
    tx.execute(delete(idempotency).where(_owned(owner)))


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


def _owned(owner: Owner) -> ColumnElement[bool]:
    """A claim that is running, and the owner's."""
    mine = (idempotency.c.account_id == owner.account_id, idempotency.c.key == owner.key)
    return and_(*mine, idempotency.c.task_id == owner.task_id, idempotency.c.state == "running")


def _record(row: Row[Any]) -> Record:
    return Record(**row._mapping)
