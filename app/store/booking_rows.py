"""The rows that a batch of bookings reads, locks and writes: as SQL for both databases, and quicker on SQLite.

On SQLite the driver is talked to directly, and each table is written in one step: SQLAlchemy costs more than the rows
do, and the driver gives up the interpreter's lock at every step, to get it back late while the event loop is busy.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Connection,
    Table,
    Text,
    and_,
    any_,
    bindparam,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from app.store.columns import to_json
from app.store.sql import flush_after, insert_if_absent
from app.store.sqlite_engine import driver_of, execute
from app.store.tables import accounts, chats, key_periods, ledger_entries

Row = tuple[Any, ...]
PeriodKey = tuple[str, str]

ENTRY_COLUMNS: Final = (
    "account_id",
    "key_id",
    "period",
    "charge_id",
    "kind",
    "units",
    "hold_units",
    "price",
    "reason",
    "work",
    "estimated",
    "at",
)
CHAT_COLUMNS: Final = tuple(column.name for column in chats.columns)

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

# One parameter for any number of them, so that the driver prepares one statement.
_HELD: Final = select(ledger_entries.c.charge_id).where(
    ledger_entries.c.charge_id == any_(bindparam("_charges", type_=ARRAY(Text))),
    ledger_entries.c.kind == literal_column("'hold'"),
)


def rows_of(tx: Connection) -> "SqliteRows | SqlRows":
    """The rows as this transaction reaches them."""
    return SqliteRows(tx) if tx.dialect.name == "sqlite" else SqlRows(tx)


class SqlRows:
    """By SQLAlchemy. What is read stays locked until the transaction ends, and is locked in the order of the keys.

    The account is locked as a change of its balance locks it, no more: rows that only refer to it are added meanwhile.
    """

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def periods(self, keys: Sequence[PeriodKey]) -> list[Row]:
        """Key, period, held and spent units, made with zeros where they are missing. `keys` are sorted."""
        for key_id, period in keys:
            row = {"key_id": key_id, "period": period, "held_units": 0, "spent_units": 0}
            self._tx.execute(insert_if_absent(self._tx, key_periods), row)
        columns = (key_periods.c.key_id, key_periods.c.period)
        wanted = or_(*(and_(columns[0] == key_id, columns[1] == period) for key_id, period in keys))
        found = select(*columns, key_periods.c.held_units, key_periods.c.spent_units).where(wanted)
        return [tuple(row) for row in self._tx.execute(found.order_by(*columns).with_for_update())]

    def accounts(self, ids: Sequence[str]) -> list[Row]:
        """Id, billing, balance and held units. `ids` are sorted."""
        columns = (accounts.c.id, accounts.c.billing, accounts.c.balance_units, accounts.c.held_units)
        found = select(*columns, flush_after(self._tx)).where(accounts.c.id.in_(ids)).order_by(accounts.c.id)
        return [tuple(row)[: len(columns)] for row in self._tx.execute(found.with_for_update(key_share=True))]

    def lost(self, charges: Sequence[str]) -> frozenset[str]:
        """Those of the charges whose hold is not there: it was committed and not flushed when the server crashed."""
        if not charges:
            return frozenset()
        return frozenset(charges).difference(self._tx.execute(_HELD, {"_charges": charges}).scalars())

    def set_periods(self, rows: Iterable[Row]) -> None:
        """Held units, spent units, key, period."""
        for held, spent, key_id, period in rows:
            self._tx.execute(_SET_PERIOD, {"_held": held, "_spent": spent, "_key": key_id, "_period": period})

    def set_accounts(self, rows: Iterable[Row]) -> None:
        """Balance units, held units, id."""
        for balance, held, account_id in rows:
            self._tx.execute(_SET_ACCOUNT, {"_balance": balance, "_held": held, "_id": account_id})

    def add_entries(self, rows: Sequence[Row]) -> None:
        """Ledger entries, in the order of `ENTRY_COLUMNS`."""
        self._insert(ledger_entries, ENTRY_COLUMNS, rows)

    def add_chats(self, rows: Sequence[Row]) -> None:
        """Chats, in the order of `CHAT_COLUMNS`."""
        self._insert(chats, CHAT_COLUMNS, rows)

    def _insert(self, table: Table, columns: Sequence[str], rows: Sequence[Row]) -> None:
        if rows:
            self._tx.execute(insert(table), [dict(zip(columns, row, strict=True)) for row in rows])


class SqliteRows:
    """The same on SQLite, where one transaction writes at a time: nothing needs a lock of its own."""

    def __init__(self, tx: Connection) -> None:
        self._driver = driver_of(tx)

    def periods(self, keys: Sequence[PeriodKey]) -> list[Row]:
        """See `SqlRows`."""
        found: list[Row] = []
        for key in keys:
            execute(self._driver, "INSERT INTO key_periods VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING", key)
            found += execute(
                self._driver,
                "SELECT key_id, period, held_units, spent_units FROM key_periods WHERE key_id = ? AND period = ?",
                key,
            )
        return found

    def accounts(self, ids: Sequence[str]) -> list[Row]:
        """See `SqlRows`."""
        found: list[Row] = []
        for account_id in ids:
            found += execute(
                self._driver, "SELECT id, billing, balance_units, held_units FROM accounts WHERE id = ?", (account_id,)
            )
        return found

    def lost(self, charges: Sequence[str]) -> frozenset[str]:
        """None: what loses a commit here, such as a loss of power, ends this process with it."""
        return frozenset()

    def set_periods(self, rows: Iterable[Row]) -> None:
        """See `SqlRows`."""
        for row in rows:
            execute(
                self._driver,
                "UPDATE key_periods SET held_units = ?, spent_units = ? WHERE key_id = ? AND period = ?",
                row,
            )

    def set_accounts(self, rows: Iterable[Row]) -> None:
        """See `SqlRows`."""
        for row in rows:
            execute(self._driver, "UPDATE accounts SET balance_units = ?, held_units = ? WHERE id = ?", row)

    def add_entries(self, rows: Sequence[Row]) -> None:
        """See `SqlRows`."""
        self._insert("ledger_entries", ENTRY_COLUMNS, rows)

    def add_chats(self, rows: Sequence[Row]) -> None:
        """See `SqlRows`."""
        self._insert("chats", CHAT_COLUMNS, rows)

    def _insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """All rows as one statement; the driver keeps those for the usual numbers of rows prepared."""
        if rows:
            row = f"({', '.join('?' * len(columns))})"
            places = ", ".join([row] * len(rows))
            values = tuple([to_json(value) if isinstance(value, dict) else value for row in rows for value in row])
            statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places}"  # noqa: S608 -- our own names
            execute(self._driver, statement, values)
