"""The ledger in bulk, for text chat: many holds and many settlements in one unit of work, by the rules of `ledger`.

A batch reads the counters it touches once, locked, works on them in memory and writes them once: what a thousand small
statements would do, in about ten.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, literal_column, select

from app.core.errors import InsufficientQuota
from app.core.ids import ordered_ids_from
from app.core.pricing import MAX_UNITS
from app.store import idempotency
from app.store.booking_rows import CHAT_COLUMNS, PeriodKey, Row, rows_of
from app.store.chats import Chat
from app.store.idempotency import Kept
from app.store.ledger import KeyBudget, period_of
from app.store.sql import allow_long
from app.store.tables import ledger_entries


@dataclass(frozen=True, slots=True)
class Work:
    """Who serves a text request, for whoever finds its hold without an end: the id of the process, the model, the
    vendor that is asked first, and what it may bill at most.
    """

    process: str
    model: str
    vendor: str
    vendor_model: str
    exposure_units: int


@dataclass(frozen=True, slots=True)
class Hold:
    """Units to be taken out of what the key's budget and the account have. `price` and `work` are kept with it (L17).

    `period`: that of the key's budget, by the hold's own time (L15); None: the key has no budget.
    """

    charge_id: str
    account_id: str
    key: KeyBudget
    units: int
    price: Mapping[str, Any]
    at: float
    period: str | None = None
    work: Work | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A text request that is over. `hold` was made before; when `held` is False, it is made with the capture.

    Captured is `chat.units`; where that is 0 and the request failed, the hold is released with the outcome as reason.
    `kept` is what the request was answered, for those that repeat it.
    """

    chat: Chat
    hold: Hold
    held: bool
    kept: Kept | None = None


@dataclass(slots=True)
class _Account:
    unlimited: bool
    balance: int
    held: int
    changed: bool = False


@dataclass(slots=True)
class _Period:
    held: int
    spent: int
    changed: bool = False


LONG_S: Final = 60

_CHAT_ROW: Final = attrgetter(*CHAT_COLUMNS)


def budget_period(key: KeyBudget, at: float) -> str | None:
    """The period of the key's budget that unix seconds `at` belong to; None: it has no budget."""
    return None if key.units is None or key.period is None else period_of(key.period, at)


def book(
    tx: Connection, holds: Sequence[Hold], settlements: Sequence[Settlement]
) -> tuple[InsufficientQuota | None, ...]:
    """Settles, then holds in order; answers for each hold None, or why it was not made.

    Raises: IntegrityError when a charge was held or settled before: nothing of the batch is written (L3).
    """
    rows = rows_of(tx)
    touched = [*holds, *(settlement.hold for settlement in settlements)]
    # The accounts first, then the keys' periods, each in order: the same everywhere cannot deadlock (see `ledger`).
    found = rows.accounts(sorted({hold.account_id for hold in touched}))
    locked = {id_: _Account(billing == "unlimited", balance, held) for id_, billing, balance, held in found}
    wanted = sorted({(hold.key.key_id, hold.period) for hold in touched if hold.period is not None})
    periods = (
        {(key_id, name): _Period(held, spent) for key_id, name, held, spent in rows.periods(wanted)} if wanted else {}
    )
    lost = rows.lost([each.hold.charge_id for each in settlements if each.held])
    settlements = [each if each.kept is None else _keep(tx, each, each.kept) for each in settlements]
    entries: list[Row] = []
    settled = [_settle(_found(each, locked, periods, lost), locked, periods, entries) for each in settlements]
    refusals = tuple(_hold(hold, locked, periods, entries) for hold in holds)
    rows.set_periods((each.held, each.spent, *key) for key, each in periods.items() if each.changed)
    rows.set_accounts((each.balance, each.held, id_) for id_, each in locked.items() if each.changed)
    rows.add_entries(entries)
    rows.add_chats([_CHAT_ROW(chat) for chat in settled])
    return refusals


def open_holds(tx: Connection, *, since: float, before: float) -> tuple[Hold, ...]:
    """Holds of text requests without an end, made from unix seconds `since` until before `before`, oldest first.

    Text requests' ids sort by time, so only the ledger's index of that time is read: seconds for a million.
    """
    allow_long(tx, seconds=LONG_S)
    query = (
        select(ledger_entries)
        .where(ledger_entries.c.kind == literal_column("'hold'"), ~_resolved(ledger_entries.c.charge_id))
        .where(ledger_entries.c.charge_id >= ordered_ids_from("chatcmpl", since))
        .where(ledger_entries.c.charge_id < ordered_ids_from("chatcmpl", before))
        .order_by(ledger_entries.c.charge_id)
    )
    return tuple(_hold_of(dict(row._mapping)) for row in tx.execute(query))


def end_lost(tx: Connection, settlement: Settlement) -> bool:
    """Settles what its own process will not. False: somebody has, and nothing is written."""
    hold = settlement.hold
    rows_of(tx).accounts([hold.account_id])  # locked: whoever else resolves the charge has done so, or waits
    if tx.scalar(select(_resolved(hold.charge_id))):
        return False
    book(tx, [], [settlement])
    return True


def held(tx: Connection, ids: Collection[str]) -> frozenset[str]:
    """Those of the charge ids that a hold was made for."""
    query = select(ledger_entries.c.charge_id).where(
        ledger_entries.c.charge_id.in_(ids), ledger_entries.c.kind == literal_column("'hold'")
    )
    return frozenset(tx.execute(query).scalars())


def _resolved(charge: ColumnElement[str] | str) -> ColumnElement[bool]:
    """Whether a charge was captured or released."""
    entry = ledger_entries.alias()
    resolution = entry.c.kind.in_((literal_column("'capture'"), literal_column("'release'")))
    return select(entry.c.seq).where(entry.c.charge_id == charge, resolution).exists()


def _hold_of(row: Mapping[str, Any]) -> Hold:
    work = None if row["work"] is None else Work(**row["work"])
    key = KeyBudget(row["key_id"])
    return Hold(row["charge_id"], row["account_id"], key, row["units"], row["price"], row["at"], row["period"], work)


def _keep(tx: Connection, settlement: Settlement, kept: Kept) -> Settlement:
    """Keeps the answer. Who lost its claim meanwhile charges nothing: whoever has it now will (L7). A claim that was
    made late is nobody's leave to work: where another request has it, both have worked.
    """
    if idempotency.keep(tx, kept, at=settlement.chat.finished_at) or kept.fingerprint is not None:
        return settlement
    return replace(settlement, chat=replace(settlement.chat, units=0, outcome="superseded"))


def _hold(
    hold: Hold,
    locked: Mapping[str, _Account],
    periods: Mapping[PeriodKey, _Period],
    entries: list[Row],
) -> InsufficientQuota | None:
    assert 0 <= hold.units <= MAX_UNITS
    account, period = locked[hold.account_id], periods.get((hold.key.key_id, hold.period or ""))
    if period is not None and hold.key.units is not None:
        left = hold.key.units - period.held - period.spent
        if left < hold.units:
            return _refusal(hold.units, left, f"the key's budget has {{}} available in the period {hold.period}")
    if not account.unlimited and account.balance - account.held < hold.units:
        return _refusal(hold.units, account.balance - account.held, "the account has {} available")
    account.held += hold.units
    account.changed = True
    if period is not None:
        period.held += hold.units
        period.changed = True
    entries.append(_entry(hold, "hold", hold.units, at=hold.at))
    return None


def _found(
    settlement: Settlement,
    locked: Mapping[str, _Account],
    periods: Mapping[PeriodKey, _Period],
    lost: frozenset[str],
) -> Settlement:
    """As it is to be settled. Where the server lost the hold, it is made with the capture, of no more than there is:
    somebody else may have spent what it kept, and the excess is ours (L2, L4).
    """
    hold, chat = settlement.hold, settlement.chat
    if hold.charge_id not in lost:
        return settlement
    account, period = locked[hold.account_id], periods.get((hold.key.key_id, hold.period or ""))
    units = chat.units if account.unlimited else min(chat.units, account.balance - account.held)
    if period is not None and hold.key.units is not None:
        units = min(units, hold.key.units - period.held - period.spent)
    return replace(settlement, chat=replace(chat, units=max(units, 0)), held=False)


def _settle(
    settlement: Settlement,
    locked: Mapping[str, _Account],
    periods: Mapping[PeriodKey, _Period],
    entries: list[Row],
) -> Chat:
    """The request as it is recorded."""
    hold, chat = settlement.hold, settlement.chat
    assert 0 <= chat.units <= hold.units, "never more than was held (L4)"
    if not settlement.held:
        if not hold.units:
            return chat
        entries.append(_entry(hold, "hold", hold.units, at=hold.at))
    account, period = locked[hold.account_id], periods.get((hold.key.key_id, hold.period or ""))
    if settlement.held:
        account.held -= hold.units
    account.balance -= chat.units
    account.changed = True
    if period is not None:
        period.held -= hold.units if settlement.held else 0
        period.spent += chat.units
        period.changed = True
    released = not chat.units and chat.outcome != "succeeded"
    entries.append(
        _entry(
            hold,
            "release" if released else "capture",
            hold.units if released else chat.units,
            at=chat.finished_at,
            hold_units=hold.units,
            reason=chat.outcome if released else None,
            estimated=chat.estimated and not released,
        )
    )
    return chat


def _entry(
    hold: Hold,
    kind: str,
    units: int,
    *,
    at: float,
    hold_units: int | None = None,
    reason: str | None = None,
    estimated: bool = False,
) -> Row:
    """A row, in the order of `ENTRY_COLUMNS`."""
    price, work = (hold.price, hold.work) if kind == "hold" else (None, None)
    return (
        hold.account_id,
        hold.key.key_id,
        hold.period,
        hold.charge_id,
        kind,
        units,
        hold_units,
        price,
        reason,
        None if work is None else _told(work),
        estimated,
        at,
    )


def _told(work: Work) -> dict[str, Any]:
    """As it is kept; `asdict` would cost as much as all the rest."""
    return {
        "process": work.process,
        "model": work.model,
        "vendor": work.vendor,
        "vendor_model": work.vendor_model,
        "exposure_units": work.exposure_units,
    }


def _refusal(units: int, left: int, says: str) -> InsufficientQuota:
    """The words of `ledger`: what is needed, and what there is."""
    code = "budget_exceeded" if says.startswith("the key") else "insufficient_balance"
    return InsufficientQuota(
        f"This request needs {units} units, and {says.format(max(left, 0))}.", code=code, should_retry=False
    )
