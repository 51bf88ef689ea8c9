"""The ledger in bulk, for text chat: many holds and many settlements in one unit of work, by the rules of `ledger`.

A batch reads the counters it touches once, locked, works on them in memory and writes them once: what a thousand small
statements would do, in about ten.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, insert, select, update

from app.core.errors import InsufficientQuota
from app.core.pricing import MAX_UNITS
from app.store.chats import Chat
from app.store.columns import to_json
from app.store.ledger import KeyBudget, period_of
from app.store.sql import insert_if_absent
from app.store.tables import accounts, chats, key_periods, ledger_entries


@dataclass(frozen=True, slots=True)
class Hold:
    """Units to be taken out of what the key's budget and the account have. `price` is kept with it (L17).

    `period`: that of the key's budget, by the hold's own time (L15); None: the key has no budget.
    """

    charge_id: str
    account_id: str
    key: KeyBudget
    units: int
    price: Mapping[str, Any]
    at: float
    period: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """A text request that is over. `hold` was made before; when `held` is False, it is made with the capture.

    Captured is `chat.units`; where that is 0 and the request failed, the hold is released with the outcome as reason.
    """

    chat: Chat
    hold: Hold
    held: bool


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


_PeriodKey = tuple[str, str]
_SET_ACCOUNT: Final = (
    update(accounts)
    .where(accounts.c.id == bindparam("_id"))
    .values(balance_units=bindparam("_balance"), held_units=bindparam("_held"))
)
_SET_PERIOD: Final = (
    update(key_periods)
    .where(key_periods.c.key_id == bindparam("_key"), key_periods.c.period == bindparam("_period"))
    .values(held_units=bindparam("_held"), spent_units=bindparam("_spent"))
)
_ENTRY_COLUMNS: Final = (
    "account_id",
    "key_id",
    "period",
    "charge_id",
    "kind",
    "units",
    "hold_units",
    "price",
    "reason",
    "estimated",
    "at",
)
_CHAT_COLUMNS: Final = tuple(field.name for field in fields(Chat))
_CHAT_ROW: Final = attrgetter(*_CHAT_COLUMNS)


def budget_period(key: KeyBudget, at: float) -> str | None:
    """The period of the key's budget that unix seconds `at` belong to; None: it has no budget."""
    return None if key.units is None or key.period is None else period_of(key.period, at)


def book(
    tx: Connection, holds: Sequence[Hold], settlements: Sequence[Settlement]
) -> tuple[InsufficientQuota | None, ...]:
    """Settles, then holds in order; answers for each hold None, or why it was not made.

    Raises: IntegrityError when a charge was held or settled before: nothing of the batch is written (L3).
    """
    periods = _lock_periods(tx, [hold for hold in holds if hold.units] + [each.hold for each in settlements])
    locked = _lock_accounts(tx, {hold.account_id for hold in (*holds, *(each.hold for each in settlements))})
    entries: list[tuple[Any, ...]] = []
    for settlement in settlements:
        _settle(settlement, locked, periods, entries)
    refusals = tuple(_hold(hold, locked, periods, entries) for hold in holds)
    _write_counters(tx, periods, locked)
    _insert(tx, ledger_entries, _ENTRY_COLUMNS, entries)
    _insert(tx, chats, _CHAT_COLUMNS, [_CHAT_ROW(each.chat) for each in settlements])
    return refusals


def _hold(
    hold: Hold,
    locked: Mapping[str, _Account],
    periods: Mapping[_PeriodKey, _Period],
    entries: list[tuple[Any, ...]],
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


def _settle(
    settlement: Settlement,
    locked: Mapping[str, _Account],
    periods: Mapping[_PeriodKey, _Period],
    entries: list[tuple[Any, ...]],
) -> None:
    hold, chat = settlement.hold, settlement.chat
    assert 0 <= chat.units <= hold.units, "never more than was held (L4)"
    if not settlement.held:
        if not hold.units:
            return
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


def _entry(
    hold: Hold,
    kind: str,
    units: int,
    *,
    at: float,
    hold_units: int | None = None,
    reason: str | None = None,
    estimated: bool = False,
) -> tuple[Any, ...]:
    """A row, in the order of `_ENTRY_COLUMNS`."""
    price = hold.price if kind == "hold" else None
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
        estimated,
        at,
    )


def _lock_periods(tx: Connection, holds: Iterable[Hold]) -> dict[_PeriodKey, _Period]:
    """The keys' periods, and before any account: the same order everywhere cannot deadlock (see `ledger`)."""
    wanted = sorted({(hold.key.key_id, hold.period) for hold in holds if hold.period is not None})
    found: dict[_PeriodKey, _Period] = {}
    for key_id, period in wanted:
        first = insert_if_absent(tx, key_periods).values(key_id=key_id, period=period, held_units=0, spent_units=0)
        query = select(key_periods.c.held_units, key_periods.c.spent_units).where(
            key_periods.c.key_id == key_id, key_periods.c.period == period
        )
        row = tx.execute(query.with_for_update()).one_or_none()
        if row is None:
            tx.execute(first)
            row = tx.execute(query.with_for_update()).one()
        found[key_id, period] = _Period(*row)
    return found


def _lock_accounts(tx: Connection, ids: set[str]) -> dict[str, _Account]:
    query = select(accounts.c.id, accounts.c.billing, accounts.c.balance_units, accounts.c.held_units)
    rows = tx.execute(query.where(accounts.c.id.in_(sorted(ids))).order_by(accounts.c.id).with_for_update())
    return {row.id: _Account(row.billing == "unlimited", row.balance_units, row.held_units) for row in rows}


def _write_counters(tx: Connection, periods: Mapping[_PeriodKey, _Period], locked: Mapping[str, _Account]) -> None:
    spent = [
        {"_key": key_id, "_period": name, "_held": period.held, "_spent": period.spent}
        for (key_id, name), period in periods.items()
        if period.changed
    ]
    moved = [
        {"_id": account_id, "_balance": account.balance, "_held": account.held}
        for account_id, account in locked.items()
        if account.changed
    ]
    for statement, rows in ((_SET_PERIOD, spent), (_SET_ACCOUNT, moved)):
        for row in rows:
            tx.execute(statement, row)


def _insert(tx: Connection, table: Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Adds rows. On SQLite in one step: the driver gives up the interpreter's lock at every step and gets it back
    late while the event loop is busy, so a step per row would cost more than the rows.
    """
    if not rows:
        return
    if tx.dialect.name == "sqlite":
        values = ", ".join(f"value ->> {index}" for index in range(len(columns)))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {values} FROM json_each(?)"  # noqa: S608 -- names of our own
        tx.exec_driver_sql(statement, (to_json(rows),))
        return
    tx.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])


def _refusal(units: int, left: int, says: str) -> InsufficientQuota:
    """The words of `ledger`: what is needed, and what there is."""
    code = "budget_exceeded" if says.startswith("the key") else "insufficient_balance"
    return InsufficientQuota(
        f"This request needs {units} units, and {says.format(max(left, 0))}.", code=code, should_retry=False
    )
