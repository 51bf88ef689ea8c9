"""Text requests with an Idempotency-Key: the first does the work and keeps its answer, the others wait and get it too.

The claim is committed before anything is held or sent, and the answer is kept in the transaction that charges for it: a
key is charged once (L7). Between the two the claim is a lease, so that a process that dies gives it up.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from app.core.clock import Clock
from app.core.errors import Conflict, GatewayError, Overloaded
from app.core.ids import new_ordered_id
from app.core.pricing import Units
from app.gateway.bell import Bell
from app.gateway.idempotency import Claim, demand_same
from app.store import idempotency
from app.store.database import Database, Tx
from app.store.idempotency import BODY_BYTES_MAX, Claimed, Kept, Owner, Record, Reply
from app.wire.openai import error_body, error_headers
from app.wire.strict_json import dumps

log = structlog.get_logger(__name__)

LEASE_S: Final = 60.0
"""For how long a claim outlives the process that made it."""
READ_AGAIN_S: Final = 1.0
RETRY_AFTER_S: Final = 5.0
STREAM_HEADERS: Final = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer to send: everything about it is committed."""

    body: bytes
    units: Units


Pieces = AsyncGenerator[bytes, None]
"""A streamed answer. Its last piece comes when everything about it is committed; to be closed in any case."""

Said = Whole | GatewayError | bytes
"""How an answer ends: bytes are the last of a stream, after what was relayed of it."""


class Keeping:
    """The claim of a request at work. `renewing` keeps it alive until the answer is booked."""

    def __init__(self, claim: Claim, owner: Owner, bell: Bell, renewing: asyncio.Task[None]) -> None:
        self.owner = owner
        self.booked = False
        self._seconds = claim.seconds
        self._bell = bell
        self._renewing = renewing
        self._relayed = bytearray()

    def keep(self, said: Said) -> Kept:
        """What is to be kept of the answer, in the transaction that books it."""
        self.booked = True
        return Kept(self.owner, _reply_of(said, bytes(self._relayed)), self._seconds)

    def over(self, _: object = None) -> None:
        """Gives the claim up, and wakes who waits: the answer is kept, or there will be none."""
        self._renewing.cancel()
        self._bell.ring(_subject(self.owner.account_id, self.owner.key))

    async def relayed(self, pieces: Pieces) -> Pieces:
        """The same pieces; no more of them is remembered than may be kept."""
        async with aclosing(pieces):
            async for piece in pieces:
                if len(self._relayed) <= BODY_BYTES_MAX:
                    self._relayed += piece
                yield piece


class ChatRepeats:
    """Tells first requests from repeats."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._bell = Bell(clock)

    async def begin(self, claim: Claim, *, within_s: float) -> Keeping | Reply:
        """The claim, committed, when the request is the first; else the first one's answer, waited for `within_s`.

        Raises:
            IdempotencyKeyReused: the first was another request.
            Conflict: its answer cannot be waited for (idempotency_in_progress), or was not kept (conflict).
            Overloaded (storage_unavailable).
        """
        until = self._clock.monotonic() + within_s
        with self._bell.listening(_subject(claim.account_id, claim.key)) as rung:
            while True:
                entered = await self._enter(claim)
                if isinstance(entered, Keeping):
                    return entered
                if (reply := await self._join(claim, entered, rung, until)) is not None:
                    return reply

    async def abandon(self, keeping: Keeping) -> None:
        """Forgets a claim whose request came to nothing that is kept. Raises nothing that its lease's end mends."""
        if keeping.booked:
            return
        try:
            await self._database.write(partial(idempotency.drop, owner=keeping.owner))
        except Overloaded as error:
            log.warning("claim.left", error=error.code)
        finally:
            keeping.over()

    async def _enter(self, claim: Claim) -> Keeping | Record:
        at = self._clock.now()
        owner = Owner(claim.account_id, claim.key, new_ordered_id("chatcmpl", at))

        def unit(tx: Tx) -> Claimed | Record:
            outcome = idempotency.claim(
                tx,
                account_id=owner.account_id,
                key=owner.key,
                fingerprint=claim.fingerprint,
                task_id=owner.task_id,
                at=at,
                expires_at=at + LEASE_S,
            )
            if isinstance(outcome, Claimed):
                idempotency.renew(tx, owner, at=at, seconds=LEASE_S)  # by the database's clock
            return outcome

        outcome = await self._database.write(unit)
        if isinstance(outcome, Record):
            return outcome
        return Keeping(claim, owner, self._bell, asyncio.create_task(self._renew(owner)))

    async def _join(self, claim: Claim, record: Record | None, rung: asyncio.Event, until: float) -> Reply | None:
        """The first one's answer; None: it came to nothing, and the key is free again."""
        dead = False
        while record is not None:
            demand_same(record, claim)
            if record.state == "done":
                return _kept(record)
            left_s = until - self._clock.monotonic()
            if dead or left_s <= 0:
                raise Conflict(
                    "The first request with this Idempotency-Key has not been answered yet.",
                    retry_after_s=RETRY_AFTER_S,
                    should_retry=True,
                )
            await self._bell.heard(rung, min(left_s, READ_AGAIN_S))
            record, dead = await self._look(claim)
        return None

    async def _look(self, claim: Claim) -> tuple[Record | None, bool]:
        """The record as it is, and whether its time is over."""
        at = self._clock.now()

        def query(tx: Tx) -> tuple[Record | None, bool]:
            record = idempotency.get(tx, account_id=claim.account_id, key=claim.key)
            return record, record is not None and idempotency.lapsed(tx, record, at=at)

        return await self._database.read(query)

    async def _renew(self, owner: Owner) -> None:
        while True:
            await self._clock.sleep(LEASE_S / 3)
            try:
                await self._database.write(
                    partial(idempotency.renew, owner=owner, at=self._clock.now(), seconds=LEASE_S)
                )
            except Overloaded as error:
                log.warning("claim.unrenewed", error=error.code)


def _reply_of(said: Said, relayed: bytes) -> Reply:
    """What a duplicate gets: the first one's headers and bytes."""
    match said:
        case Whole():
            units = {"oneshape-units": str(said.units)}
            return Reply(200, {"content-type": "application/json", **units}, _small(said.body))
        case GatewayError():
            headers = {"content-type": "application/json", **error_headers(said)}
            return Reply(said.status, headers, dumps(error_body(said)))
        case _:
            return Reply(200, STREAM_HEADERS, _small(relayed + said))


def _small(body: bytes) -> bytes | None:
    return body if len(body) <= BODY_BYTES_MAX else None


def _kept(record: Record) -> Reply:
    """Raises: Conflict (conflict): the answer was too large to be kept."""
    if record.body is None:
        raise Conflict(
            "This Idempotency-Key was answered, and the answer was too large to be kept. Use another key to ask again.",
            code="conflict",
            param="Idempotency-Key",
            should_retry=False,
        )
    assert record.status is not None and record.headers is not None, "a kept answer is whole"  # noqa: PT018 -- one fact
    return Reply(record.status, record.headers, record.body)


def _subject(account_id: str, key: str) -> str:
    return f"{account_id} {key}"
