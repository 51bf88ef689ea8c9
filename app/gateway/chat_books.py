"""The money of text chat: what a request is held for, what it is charged, and the books that write both in groups."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final

import structlog

from app.core.catalog import Model, Target
from app.core.chat import ChatRequest, usage_at_most
from app.core.clock import Clock
from app.core.errors import GatewayError, InsufficientQuota, InternalError, Overloaded
from app.core.ids import new_ordered_id
from app.core.pricing import MAX_UNITS, Price, TokenUsage, Units, tokens_charge
from app.gateway.caller import Caller
from app.gateway.chat_repeats import Keeping, Said
from app.gateway.metrics import Metrics
from app.store import bookings, chats
from app.store.bookings import Hold, Settlement, Work, book, budget_period
from app.store.chats import Chat
from app.store.database import Database, Tx

log = structlog.get_logger(__name__)

BATCH_MAX: Final = 256
"""Requests per transaction: bounds how long one waits for others'."""
AGAIN_S: Final = 1.0
"""Before what a missing database did not take is written again; and again, until it does."""
PATIENCE_S: Final = 60.0
"""For how long a client waits for that."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What an admitted request may cost, and where that stands. `held`: it was taken out of the balance beforehand.
    `keeping`: its answer is to be kept for repeats.
    """

    hold: Hold
    held: bool
    caller: Caller
    model: Model
    request: ChatRequest
    keeping: Keeping | None = None

    @property
    def id(self) -> str:
        """The request's id, of its charge and its record."""
        return self.hold.charge_id

    def charge(self, usage: TokenUsage) -> Units:
        """What the client pays for that usage: never more than was held, the rest is ours (L4)."""
        units = tokens_charge(self.model.price, usage)
        return Units(min(units, self.hold.units)) if self.held else Units(min(units, MAX_UNITS))

    def exposure(self, target: Target) -> Units:
        """What the vendor may bill for an answer that never came."""
        return tokens_charge(target.cost, usage_at_most(self.request, self.model.max_output_tokens))


@dataclass(slots=True)
class _Entry:
    hold: Hold | None
    settlement: Settlement | None
    done: "asyncio.Future[None]"
    waits_since: float | None = None
    if_held: bool = False


class ChatBooks:
    """Writes holds and settlements. Whatever waits while a transaction runs is the next transaction."""

    def __init__(self, database: Database, metrics: Metrics, *, clock: Clock, process: str) -> None:
        """`process`: the id of this process, by whose heartbeat others know whether it still serves what is held."""
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._process = process
        self._waiting: list[_Entry] = []
        self._writing: asyncio.Task[None] | None = None
        self._unwritten: list[_Entry] = []
        self._retrying: asyncio.Task[None] | None = None

    async def open(
        self,
        caller: Caller,
        model: Model,
        request: ChatRequest,
        target: Target,
        *,
        at: float,
        keeping: Keeping | None = None,
    ) -> Bill:
        """A bill for the request; where a balance or budget is hard, what it may cost at most is held and committed.

        `target`: which is asked first. Raises: InsufficientQuota; Overloaded (storage_unavailable).
        """
        bill = _bill(caller, model, request, target, at, keeping, self._process)
        if bill.held:
            await self._add(hold=bill.hold)
        return bill

    def settle(self, bill: Bill, chat: Chat, said: Said | None = None) -> "asyncio.Future[None]":
        """Ends a bill. It is written whether the returned future is awaited or not; that is done once it is committed.

        `said` is kept for repeats together with it; None: nothing was begun that a repeat must not begin again.

        The future raises: InternalError: the database has been away for a minute, and gets it when it is back; an error
        for a charge that was settled before.
        """
        hold = bill.hold if bill.held else replace(bill.hold, units=chat.units)  # made together with its capture
        if bill.keeping is None or said is None:
            return self._add(settlement=Settlement(chat, hold, bill.held))
        settled = self._add(settlement=Settlement(chat, hold, bill.held, bill.keeping.keep(said)))
        settled.add_done_callback(bill.keeping.over)
        return settled

    async def close(self) -> None:
        """Waits until everything is written. Cancelled: what is not is ended by whoever finds it (`LostTexts`)."""
        while running := {task for task in (self._writing, self._retrying) if task is not None}:
            await asyncio.wait(running)

    def _add(self, *, hold: Hold | None = None, settlement: Settlement | None = None) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._enter(_Entry(hold, settlement, done))
        return done

    def _enter(self, *entries: _Entry) -> None:
        self._waiting += entries
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _write_batch(self, batch: list[_Entry]) -> None:
        """One transaction for all; when that fails for a reason of its own, one for each, so that nobody fails for
        another's.
        """
        holds = [entry for entry in batch if entry.hold is not None]
        settlements = [entry for entry in batch if entry.settlement is not None]
        error: Exception | None = None
        refusals: Sequence[InsufficientQuota | None] = [None] * len(holds)
        try:
            # A hold alone needs no flush: it keeps others within the budget, and is worth nothing without its
            # settlement, whose flush takes it to the disk before the client has the end of its answer.
            refusals = await self._database.write(lambda tx: _book(tx, holds, settlements), flush=bool(settlements))
        except Exception as failure:  # noqa: BLE001 -- whoever waits is told
            if len(batch) > 1 and not isinstance(failure, Overloaded):
                for entry in batch:
                    await self._write_batch([entry])
                return
            error = failure
        for entry, refusal in zip(holds, refusals, strict=True):
            _tell(entry, error or refusal)
        if isinstance(error, Overloaded):
            self._keep([*settlements, *(self._void(entry.hold) for entry in holds if entry.hold is not None)], error)
            return
        if error is None:
            self._metrics.texts_charged(entry.settlement.chat.units for entry in settlements if entry.settlement)
        for entry in settlements:
            _tell(entry, error)

    def _void(self, hold: Hold) -> _Entry:
        """Ends a hold whose commit may have been lost on the way: its client was told that there is none."""
        chat = Chat(
            id=hold.charge_id,
            account_id=hold.account_id,
            key_id=hold.key.key_id,
            model=hold.work.model if hold.work else "",
            outcome="storage_unavailable",
            created_at=hold.at,
            finished_at=self._clock.now(),
        )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        return _Entry(None, Settlement(chat, hold, held=True), done, if_held=True)

    def _keep(self, entries: list[_Entry], error: Overloaded) -> None:
        """A vendor was paid for these, so they are written when the database is back, whoever still waits for it."""
        now = self._clock.monotonic()
        for entry in entries:
            entry.waits_since = entry.waits_since or now
            if now - entry.waits_since > PATIENCE_S and not entry.done.done() and not entry.if_held:
                # Not "nothing was charged": it may be, and a try whose answer was lost may have been.
                entry.done.set_exception(InternalError("The outcome could not be recorded yet.", should_retry=False))
        self._unwritten += entries
        if self._unwritten and self._retrying is None:
            log.warning("chat.unwritten", requests=len(self._unwritten), error=error.code)
            self._retrying = asyncio.get_running_loop().create_task(self._retry())

    async def _retry(self) -> None:
        try:
            while self._unwritten:
                await self._clock.sleep(AGAIN_S)
                entries, self._unwritten = self._unwritten, []
                await self._write_again(entries)
        finally:
            self._retrying = None

    async def _write_again(self, entries: list[_Entry]) -> None:
        """A try whose answer was lost may have been committed: then the request is on record."""
        ids = {_id(entry) for entry in entries}
        try:
            written = await self._database.read(lambda tx: chats.recorded(tx, ids))
            held = await self._database.read(lambda tx: bookings.held(tx, ids))
        except Overloaded as error:
            self._keep(entries, error)
            return
        for entry in entries:
            if _id(entry) in written:
                _tell(entry, None)
            elif _id(entry) in held or not entry.if_held:
                self._enter(entry)
        if self._writing is not None:
            await asyncio.wait({self._writing})


def _book(tx: Tx, holds: list[_Entry], settlements: list[_Entry]) -> tuple[InsufficientQuota | None, ...]:
    return book(
        tx,
        [entry.hold for entry in holds if entry.hold is not None],
        [entry.settlement for entry in settlements if entry.settlement is not None],
    )


def _id(entry: _Entry) -> str:
    assert entry.settlement is not None, "only settlements are written again"
    return entry.settlement.chat.id


def _tell(entry: _Entry, error: BaseException | None) -> None:
    """Ends a wait; an error that nobody waits for any more is logged."""
    if entry.done.done():
        if error is not None:
            log.error("chat.unwritten", exc_info=error)
    elif error is None:
        entry.done.set_result(None)
    else:
        entry.done.set_exception(error)
        if not isinstance(error, GatewayError):
            log.error("chat.unwritten", exc_info=error)


def _bill(
    caller: Caller, model: Model, request: ChatRequest, target: Target, at: float, keeping: Keeping | None, process: str
) -> Bill:
    budget = caller.budget
    hard = caller.account.billing == "prepaid" or budget.units is not None
    units, work = 0, None
    if hard:
        at_most = usage_at_most(request, model.max_output_tokens)
        units = min(tokens_charge(model.price, at_most), MAX_UNITS)
        exposure = min(tokens_charge(target.cost, at_most), MAX_UNITS)
        work = Work(process, model.id, target.vendor.name, target.model, exposure)
    hold = Hold(
        charge_id=new_ordered_id("chatcmpl", at) if keeping is None else keeping.owner.task_id,
        account_id=caller.account.id,
        key=budget,
        units=units,
        price=_told(model.price),
        at=at,
        period=budget_period(budget, at),
        work=work,
    )
    return Bill(hold, bool(units), caller, model, request, keeping)


@lru_cache(maxsize=1024)
def _told(price: Price) -> Mapping[str, int]:
    """A price as it is kept with a hold."""
    parts = {field.name: getattr(price, field.name) for field in fields(price)}
    return {name: units for name, units in parts.items() if units is not None}
