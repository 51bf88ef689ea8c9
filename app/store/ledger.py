"""The ledger: every unit granted, held, captured, released or adjusted, as rows that are added and never changed.

A charge is one billable request: its hold takes units out of what is available, and one capture or release resolves it.
Counters (an account's balance, a key's period) are changed in the same transaction by conditional UPDATEs, so that no
level is ever overspent (L2), and can be recomputed from the entries at any time (`ledger_verify`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import BindParameter, Connection, Row, bindparam, insert, literal_column, or_, select, update

from app.core.errors import InsufficientQuota, InvalidRequest
from app.core.pricing import MAX_UNITS
from app.store.keys import BudgetPeriod
from app.store.sql import Page, insert_if_absent, page
from app.store.tables import accounts, key_periods, ledger_entries

Kind = Literal["grant", "hold", "capture", "release", "adjust"]


class LedgerError(Exception):
    """The ledger refuses what only a race or a bug asks for; nothing was written."""


class AlreadyResolved(LedgerError):
    """The charge was captured or released before: whoever came first has settled it (L3)."""


class UnknownCharge(LedgerError):
    """There is no hold of that charge."""


class CaptureExceedsHold(LedgerError):
    """More was to be captured than was held (L4): an excess is the operator's cost, never the client's."""


@dataclass(frozen=True, slots=True)
class KeyBudget:
    """The key that spends. `units` and `period` None: it has no budget, and only the account's balance limits it."""

    key_id: str
    units: int | None = None
    period: BudgetPeriod | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the ledger. `units` of a capture is the charge, `hold_units` what a capture or release resolves.

    `work`: of a text request's hold, who serves it (see `bookings.Work`).
    """

    seq: int
    account_id: str
    kind: Kind
    units: int
    at: float
    key_id: str | None = None
    period: str | None = None
    charge_id: str | None = None
    hold_units: int | None = None
    price: Mapping[str, Any] | None = None
    reason: str | None = None
    actor: str | None = None
    work: Mapping[str, Any] | None = None
    estimated: bool = False


_available = accounts.c.balance_units - accounts.c.held_units
_units: Final[BindParameter[int]] = bindparam("_units")

# The hot statements are built once; building one costs more than running it.
_HOLD_ON_ACCOUNT: Final = (
    update(accounts)
    .where(accounts.c.id == bindparam("_id"), or_(accounts.c.billing == "unlimited", _available >= _units))
    .values(held_units=accounts.c.held_units + _units)
)
_SETTLE_ON_ACCOUNT: Final = (
    update(accounts)
    .where(accounts.c.id == bindparam("_id"))
    .values(
        held_units=accounts.c.held_units - bindparam("_held"),
        balance_units=accounts.c.balance_units - _units,
    )
)
_ON_PERIOD: Final = (key_periods.c.key_id == bindparam("_key"), key_periods.c.period == bindparam("_period"))
_HOLD_ON_PERIOD: Final = (
    update(key_periods)
    .where(*_ON_PERIOD, key_periods.c.held_units + key_periods.c.spent_units + _units <= bindparam("_budget"))
    .values(held_units=key_periods.c.held_units + _units)
)
_SETTLE_ON_PERIOD: Final = (
    update(key_periods)
    .where(*_ON_PERIOD)
    .values(
        held_units=key_periods.c.held_units - bindparam("_held"),
        spent_units=key_periods.c.spent_units + _units,
    )
)
_FIND_HOLD: Final = select(ledger_entries).where(
    ledger_entries.c.charge_id == bindparam("_charge"), ledger_entries.c.kind == literal_column("'hold'")
)
_INSERT: Final = insert(ledger_entries).inline()  # else PostgreSQL is asked for the sequence number, at twice the cost


def period_of(period: BudgetPeriod, at: float) -> str:
    """The period that unix seconds `at` belong to, in UTC: `total`, `2026-11` or `2026-11-20`."""
    if period == "total":
        return "total"
    day = datetime.fromtimestamp(at, UTC).date().isoformat()
    return day if period == "day" else day[:7]


def hold(
    tx: Connection,
    *,
    charge_id: str,
    account_id: str,
    key: KeyBudget | None,
    units: int,
    price: Mapping[str, Any],
    at: float,
) -> None:
    """Takes `units` out of what the key's budget and the account have available. A hold of zero is on record too.

    Args:
        price: the price as it is now, kept with the hold; later changes do not touch this charge (L17).

    Raises:
        InsufficientQuota: the key's budget (`budget_exceeded`) or the account (`insufficient_balance`) has less.
    """
    assert 0 <= units <= MAX_UNITS
    short = units and tx.execute(_HOLD_ON_ACCOUNT, {"_id": account_id, "_units": units}).rowcount != 1
    period = None
    if key is not None and key.units is not None and key.period is not None:
        period = period_of(key.period, at)
        _hold_on_period(tx, key.key_id, period, units=units, budget_units=key.units)
    if short:
        raise _insufficient_balance(tx, account_id, units)
    tx.execute(
        _INSERT,
        {
            "account_id": account_id,
            "key_id": None if key is None else key.key_id,
            "period": period,
            "charge_id": charge_id,
            "kind": "hold",
            "units": units,
            "price": dict(price),
            "estimated": False,
            "at": at,
        },
    )


def capture(tx: Connection, *, charge_id: str, units: int, at: float, estimated: bool = False) -> None:
    """Charges `units` of what the charge holds and frees the rest, in the period of the hold (L15).

    Raises:
        AlreadyResolved, UnknownCharge, CaptureExceedsHold.
    """
    assert units >= 0
    _resolve(tx, charge_id, kind="capture", units=units, at=at, estimated=estimated)


def release(tx: Connection, *, charge_id: str, reason: str, at: float) -> None:
    """Frees what the charge holds; nothing is charged. Raises: AlreadyResolved, UnknownCharge."""
    _resolve(tx, charge_id, kind="release", units=None, at=at, reason=reason)


def grant(tx: Connection, *, account_id: str, units: int, reason: str, actor: str, at: float) -> Entry:
    """Adds units to an account. Raises: InvalidRequest: not positive, or too many to count."""
    if units <= 0:
        raise InvalidRequest("A grant must be positive.", param="units")
    return _move(tx, kind="grant", account_id=account_id, units=units, reason=reason, actor=actor, at=at)


def adjust(tx: Connection, *, account_id: str, units: int, reason: str, actor: str, at: float) -> Entry:
    """Corrects an account's balance up or down.

    Raises:
        InvalidRequest: zero, too many to count, or a prepaid account would have less than nothing available.
    """
    if units == 0:
        raise InvalidRequest("An adjustment must not be zero.", param="units")
    return _move(tx, kind="adjust", account_id=account_id, units=units, reason=reason, actor=actor, at=at)


def entries(
    tx: Connection,
    *,
    account_id: str | None = None,
    key_id: str | None = None,
    charge_id: str | None = None,
    kind: Kind | None = None,
    after: int | None = None,
    limit: int = 20,
) -> Page[Entry]:
    """Entries, newest first; `after` is the sequence number of the last one seen."""
    given = {"account_id": account_id, "key_id": key_id, "charge_id": charge_id, "kind": kind}
    query = select(ledger_entries).where(*(ledger_entries.c[name] == value for name, value in given.items() if value))
    if after is not None:
        query = query.where(ledger_entries.c.seq < after)
    found = [_entry(row) for row in tx.execute(query.order_by(ledger_entries.c.seq.desc()).limit(limit + 1))]
    return page(found, [str(entry.seq) for entry in found], limit=limit)


def _hold_on_period(tx: Connection, key_id: str, period: str, *, units: int, budget_units: int) -> None:
    values = {"_key": key_id, "_period": period, "_units": units, "_budget": budget_units}
    if tx.execute(_HOLD_ON_PERIOD, values).rowcount == 1:
        return
    first = insert_if_absent(tx, key_periods).values(key_id=key_id, period=period, held_units=0, spent_units=0)
    tx.execute(first)
    if tx.execute(_HOLD_ON_PERIOD, values).rowcount != 1:
        raise _budget_exceeded(tx, values)


def _resolve(
    tx: Connection,
    charge_id: str,
    *,
    kind: Literal["capture", "release"],
    units: int | None,
    at: float,
    reason: str | None = None,
    estimated: bool = False,
) -> None:
    """Writes the one resolution of a charge and settles its counters; `units` None: all of it is released."""
    held = tx.execute(_FIND_HOLD, {"_charge": charge_id}).one_or_none()
    if held is None:
        raise UnknownCharge(charge_id)
    if units is not None and units > held.units:
        raise CaptureExceedsHold(f"{charge_id}: {units} of {held.units}")
    resolution = {
        "account_id": held.account_id,
        "key_id": held.key_id,
        "period": held.period,
        "charge_id": charge_id,
        "kind": kind,
        "units": held.units if units is None else units,
        "hold_units": held.units,
        "reason": reason,
        "estimated": estimated,
        "at": at,
    }
    if tx.execute(insert_if_absent(tx, ledger_entries), resolution).rowcount != 1:
        raise AlreadyResolved(charge_id)
    _settle(tx, held, spent=units or 0)


def _settle(tx: Connection, held: Row[Any], *, spent: int) -> None:
    """The account first and the key's period after it, as `hold` does: the same order everywhere cannot deadlock."""
    if held.units:
        changed = tx.execute(_SETTLE_ON_ACCOUNT, {"_id": held.account_id, "_held": held.units, "_units": spent})
        assert changed.rowcount == 1
    if held.period is not None:
        values = {"_key": held.key_id, "_period": held.period, "_held": held.units, "_units": spent}
        changed = tx.execute(_SETTLE_ON_PERIOD, values)
        assert changed.rowcount == 1


def _move(
    tx: Connection, *, kind: Literal["grant", "adjust"], account_id: str, units: int, reason: str, actor: str, at: float
) -> Entry:
    if abs(units) > MAX_UNITS:
        raise InvalidRequest(f"An amount is at most {MAX_UNITS} units.", param="units")
    balance = accounts.c.balance_units + units
    moved = tx.execute(
        update(accounts)
        .where(accounts.c.id == account_id, balance.between(-MAX_UNITS, MAX_UNITS))
        .where(or_(accounts.c.billing == "unlimited", balance >= accounts.c.held_units))
        .values(balance_units=balance)
    )
    if moved.rowcount != 1:
        raise InvalidRequest(
            "The account does not exist, has less available, or would have more than fits.", param="units"
        )
    row = {"account_id": account_id, "kind": kind, "units": units, "reason": reason, "actor": actor, "at": at}
    written = tx.execute(insert(ledger_entries).values(estimated=False, **row).returning(*ledger_entries.c))
    return _entry(written.one())


def _insufficient_balance(tx: Connection, account_id: str, units: int) -> InsufficientQuota:
    available = tx.execute(select(_available).where(accounts.c.id == account_id)).scalar_one()
    return InsufficientQuota(
        f"This request needs {units} units, and the account has {max(available, 0)} available.", should_retry=False
    )


def _budget_exceeded(tx: Connection, values: Mapping[str, Any]) -> InsufficientQuota:
    taken = key_periods.c.held_units + key_periods.c.spent_units
    available = values["_budget"] - tx.execute(select(taken).where(*_ON_PERIOD), values).scalar_one()
    return InsufficientQuota(
        f"This request needs {values['_units']} units, and the key's budget has {max(available, 0)} available "
        f"in the period {values['_period']}.",
        code="budget_exceeded",
        should_retry=False,
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(**row._mapping)
