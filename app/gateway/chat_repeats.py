"""Text requests with an Idempotency-Key: the first does the work and keeps its answer, the others wait and get it too.

The claim is committed before anything is held or sent, and the answer is kept in the transaction that charges for it: a
key is charged once (L7). Between the two the claim is a lease, so that a process that dies gives it up.

An official SDK sends no key, but says when it tries again. A claim for each of its requests would be a commit for each;
so theirs is made when the client leaves without an answer, which is when its SDK will try again (fault-cases 2.3).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import structlog

from app.core.clock import Clock
from app.core.errors import Conflict, GatewayError, Overloaded
from app.core.ids import new_ordered_id
from app.core.pricing import Units
from app.gateway.bell import Bell
from app.gateway.idempotency import Claim, Departures, demand_same
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

Doing = Callable[[], Coroutine[Any, Any, None]]

Said = Whole | GatewayError | bytes
"""How an answer ends: bytes are the last of a stream, after what was relayed of it."""


class Keeping:
    """A request at work and its claim. `renewing` keeps that alive until the answer is booked."""

    def __init__(self, claim: Claim, owner: Owner, bell: Bell, renewing: asyncio.Task[None] | None) -> None:
        self.owner = owner
        self.booked = False
        self._claim = claim
        self._bell = bell
        self._renewing = renewing
        self._relayed = bytearray()

    def keep(self, said: Said) -> Kept | None:
        """What is to be kept of the answer, in the transaction that books it; None: nobody will ask for it again."""
        self.booked = True
        return Kept(self.owner, _reply_of(said, bytes(self._relayed)), self._claim.seconds)

    async def made(self) -> bool:
        """Whether there is a claim. One that is being made is waited for, another one is not begun."""
        return True

    def over(self, _: object = None) -> None:
        """Gives the claim up, and wakes who waits: the answer is kept, or there will be none."""
        if self._renewing is not None:
            self._renewing.cancel()
            self._bell.ring(_subject(self.owner.account_id, self.owner.key))

    def relayed(self, pieces: Pieces) -> Pieces:
        """The same pieces; no more of them is remembered than may be kept."""
        return self._remembered(pieces)

    async def _remembered(self, pieces: Pieces) -> Pieces:
        async with aclosing(pieces):
            async for piece in pieces:
                if len(self._relayed) <= BODY_BYTES_MAX:
                    self._relayed += piece
                yield piece


class Unclaimed(Keeping):
    """A request of an SDK at work. When its client leaves before it is answered, `enter` claims and `renew` renews."""

    def __init__(
        self, claim: Claim, departures: Departures, owner: Owner, bell: Bell, enter: Doing, renew: Doing
    ) -> None:
        super().__init__(claim, owner, bell, None)
        self._enter = enter
        self._renew = renew
        self._entering: asyncio.Task[None] | None = None
        self._unwatch = departures(self._left)

    def keep(self, said: Said) -> Kept | None:
        """As of a claim. The answer brings the claim along, which may still be on its way."""
        self._unwatch()
        kept = super().keep(said)
        return None if kept is None or self._entering is None else replace(kept, fingerprint=self._claim.fingerprint)

    async def made(self) -> bool:
        """As of a claim."""
        self._unwatch()
        if self._entering is None:
            return False
        await asyncio.wait({self._entering})
        return True

    def relayed(self, pieces: Pieces) -> Pieces:
        """The same pieces. Who has the head of a stream does not try again: they are remembered for who is gone."""
        if self._entering is not None:
            return super().relayed(pieces)
        self._unwatch()
        return pieces

    def _left(self) -> None:
        self._unwatch()
        self._entering = asyncio.create_task(self._enter())
        self._renewing = asyncio.create_task(self._renew())


class ChatRepeats:
    """Tells first requests from repeats."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._bell = Bell(clock)
        self._entering: dict[tuple[str, str], asyncio.Future[Claimed | Record]] = {}

    async def begin(self, claim: Claim, *, within_s: float) -> Keeping | Reply:
        """The claim, committed, when the request is the first; else the first one's answer, waited for `within_s`.

        Raises:
            IdempotencyKeyReused: the first was another request.
            Conflict: its answer cannot be waited for (idempotency_in_progress), or was not kept (conflict).
            Overloaded (storage_unavailable).
        """
        until = self._clock.monotonic() + within_s
        if claim.departures is not None:
            left = None if claim.fresh else await self._left(claim, until)
            return left or self._unclaimed(claim, claim.departures)
        with self._bell.listening(_subject(claim.account_id, claim.key)) as rung:
            while True:
                entered = await self._enter(claim)
                if isinstance(entered, Keeping):
                    return entered
                if (reply := await self._join(claim, entered, rung, until)) is not None:
                    return reply

    async def abandon(self, keeping: Keeping) -> None:
        """Forgets a claim whose request came to nothing that is kept. Raises nothing that its lease's end mends."""
        if keeping.booked or not await keeping.made():
            return
        try:
            await self._database.write(partial(idempotency.drop, owner=keeping.owner))
        except Overloaded as error:
            log.warning("claim.left", error=error.code)
        finally:
            keeping.over()

    def _unclaimed(self, claim: Claim, departures: Departures) -> Unclaimed:
        owner = self._owner(claim)
        enter, renew = partial(self._enter_late, claim, owner), partial(self._renew, owner)
        return Unclaimed(claim, departures, owner, self._bell, enter, renew)

    async def _left(self, claim: Claim, until: float) -> Reply | None:
        """The answer of the request that an SDK tries again, where its client left that; None: there is none."""
        if (entering := self._entering.get((claim.account_id, claim.key))) is not None:
            await asyncio.wait({entering})
        with self._bell.listening(_subject(claim.account_id, claim.key)) as rung:
            record, dead = await self._look(claim)
            return None if dead else await self._join(claim, record, rung, until)

    async def _enter_late(self, claim: Claim, owner: Owner) -> None:
        """Makes the claim of a request whose client has left, unless another one of the same has it."""
        where = claim.account_id, claim.key
        entering = self._entering[where] = asyncio.ensure_future(self._claimed(claim, owner))
        try:
            await asyncio.wait({entering})
            if (error := entering.exception()) is not None:
                log.warning("claim.not_made", error=str(error))
        finally:
            del self._entering[where]

    def _owner(self, claim: Claim) -> Owner:
        return Owner(claim.account_id, claim.key, new_ordered_id("chatcmpl", self._clock.now()))

    async def _enter(self, claim: Claim) -> Keeping | Record:
        owner = self._owner(claim)
        outcome = await self._claimed(claim, owner)
        if isinstance(outcome, Record):
            return outcome
        return Keeping(claim, owner, self._bell, asyncio.create_task(self._renew(owner)))

    async def _claimed(self, claim: Claim, owner: Owner) -> Claimed | Record:
        at = self._clock.now()

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

        return await self._database.write(unit)

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
