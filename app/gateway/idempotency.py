"""Which requests are repeats of which: a client's Idempotency-Key, or an SDK's own word that it tries again.

A claim is made in the transaction that admits the work (T2). A repeat joins the first one's task, and is answered from
that task's row by the same rendering, which is what makes the two answers the same.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.core.errors import IdempotencyKeyReused, InvalidRequest
from app.store import idempotency
from app.store.database import Database, Tx
from app.store.idempotency import Claimed, Record

KEY_CHARS_MAX: Final = 255
SDK_RETRY_S: Final = 600.0
"""For how long an SDK's retry joins what it repeats (fault-cases 2.3, rule 3)."""
_SDK: Final = "\x01sdk:"
"""Begins the keys that we make ourselves: no client's key has a control character."""


Departures = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes what is to be called when the client leaves; what it returns takes that back."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What makes a request the same as another one, for `seconds`.

    `fingerprint` stands for all that was asked. `fresh`: a first try, which repeats nothing and only may be repeated.
    `departures`: only made when the client leaves without an answer; then is when it may be repeated.
    """

    account_id: str
    key: str
    fingerprint: str
    seconds: float
    fresh: bool = False
    departures: Departures | None = None


def fingerprint_of(*parts: bytes) -> str:
    """One text for all parts, each told from the next."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def claim_by_key(account_id: str, key: str, fingerprint: str, *, seconds: float) -> Claim:
    """The claim of an Idempotency-Key. Raises: InvalidRequest (idempotency_key_invalid)."""
    if not 1 <= len(key) <= KEY_CHARS_MAX or not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            f"The header 'Idempotency-Key' must have 1 to {KEY_CHARS_MAX} printable ASCII characters.",
            code="idempotency_key_invalid",
            param="Idempotency-Key",
        )
    return Claim(account_id, key, fingerprint, seconds)


def claim_of_sdk(
    account_id: str, key_id: str, fingerprint: str, *, retry_count: int, departures: Departures | None = None
) -> Claim:
    """The claim of an official SDK, which sends no key but says which try this is (wire-facts 3.3)."""
    key = f"{_SDK}{key_id}:{fingerprint}"
    return Claim(account_id, key, fingerprint, SDK_RETRY_S, fresh=retry_count == 0, departures=departures)


async def find(database: Database, claim: Claim, *, at: float) -> str | None:
    """The task that the claim repeats, or None. Raises: IdempotencyKeyReused."""
    if claim.fresh:
        return None
    record = await database.read(lambda tx: idempotency.get(tx, account_id=claim.account_id, key=claim.key))
    if record is None or record.expires_at <= at:
        return None
    return _same(record, claim)


def enter(tx: Tx, claim: Claim, task_id: str, *, at: float) -> str | None:
    """Claims for a task, in the transaction that adds it; the other task when the claim repeats one.

    Raises: IdempotencyKeyReused.
    """
    if claim.fresh:
        idempotency.forget(tx, account_id=claim.account_id, key=claim.key)
    outcome = idempotency.claim(
        tx,
        account_id=claim.account_id,
        key=claim.key,
        fingerprint=claim.fingerprint,
        task_id=task_id,
        at=at,
        expires_at=at + claim.seconds,
    )
    return None if isinstance(outcome, Claimed) else _same(outcome, claim)


def demand_same(record: Record, claim: Claim) -> None:
    """Raises: IdempotencyKeyReused: the record is of another request."""
    if record.fingerprint != claim.fingerprint:
        raise IdempotencyKeyReused(
            "This Idempotency-Key was used for another request.", param="Idempotency-Key", should_retry=False
        )


def _same(record: Record, claim: Claim) -> str:
    demand_same(record, claim)
    assert record.task_id is not None, "every claim of ours is for a task"
    return record.task_id
