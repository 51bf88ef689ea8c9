"""What the store's queries share: the two databases' differences, and pages of a list. No table is named here."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, Generic, TypeVar

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    extract,
    func,
    literal,
    null,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from app.core.errors import InvalidRequest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Part of a list. `next_cursor` is given as `after` to go on; None when there is no more."""

    items: tuple[T, ...]
    next_cursor: str | None

    @property
    def has_more(self) -> bool:
        """Whether more follows."""
        return self.next_cursor is not None


def row_of(value: Any) -> dict[str, Any]:
    """A dataclass's fields as they are; `asdict` would copy documents, at more than the row's own cost."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def insert_if_absent(tx: Connection, table: Table) -> Insert:
    """An INSERT that does nothing (rowcount 0) when a unique key is taken, and does not spoil the transaction."""
    return _insert_if_absent(tx.dialect.name, table)


@cache  # building it costs more than running it
def _insert_if_absent(dialect: str, table: Table) -> Insert:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing().inline()
    return sqlite.insert(table).on_conflict_do_nothing().inline()


def now(tx: Connection, at: float) -> ColumnElement[float]:
    """The time that leases and expiry are compared with: PostgreSQL's own; on SQLite, one machine's, which is `at`.

    Replicas' clocks differ, the database's is one (L14). `at` is unix seconds from the caller's Clock.
    """
    if tx.dialect.name == "postgresql" and tx.get_execution_options().get("database_clock", True):
        return extract("epoch", func.clock_timestamp()).cast(postgresql.DOUBLE_PRECISION)
    return literal(at)


def allow_long(tx: Connection, *, seconds: int) -> None:
    """Lets the statements of this transaction run longer than a request may; SQLite has no limit to lift."""
    if tx.dialect.name == "postgresql":
        tx.exec_driver_sql(f"SET LOCAL statement_timeout = '{seconds}s'")
        if (prolong := tx.get_execution_options().get("prolong")) is not None:
            prolong(seconds)


def flush_after(tx: Connection) -> ColumnElement[Any]:
    """To be selected on PostgreSQL with rows that many wait for and that are locked by it: the commit then frees them
    before it is on the disk, and the write returns when it is. Others may see it a moment before; what they build upon
    it is flushed with it or later.
    """
    if (flush_later := tx.get_execution_options().get("flush_later")) is None:
        return null()
    flush_later()
    return func.set_config("synchronous_commit", "off", true())


def day_of(tx: Connection, time: ColumnElement[float]) -> ColumnElement[str]:
    """The UTC day of a column of unix seconds, as `2026-11-20`."""
    if tx.dialect.name == "postgresql":
        return func.to_char(func.timezone("UTC", func.to_timestamp(time)), "YYYY-MM-DD")
    return func.date(time, "unixepoch")


def newest_first(
    tx: Connection,
    query: Select[Any],
    time: Column[float],
    *,
    after: str | None,
    limit: int,
    within: Sequence[ColumnElement[bool]] = (),
) -> list[Any]:
    """Up to `limit + 1` rows of `query` by `time` and id, newest first, after the row whose id is `after`.

    `within` says whose rows a cursor may name; filters do not belong to it, since a row may have left them.

    Raises:
        InvalidRequest: there is no such row.
    """
    identity = time.table.c.id
    if after is not None:
        cursor = tx.execute(select(time, identity).where(identity == after, *within)).one_or_none()
        if cursor is None:
            raise InvalidRequest("'after' is not a cursor of this list.", param="after")
        query = query.where(tuple_(time, identity) < tuple_(literal(cursor[0]), literal(cursor[1])))
    return list(tx.execute(query.order_by(time.desc(), identity.desc()).limit(limit + 1)))


def page(items: Sequence[T], cursors: Sequence[str], *, limit: int) -> Page[T]:
    """A page of at most `limit` items, of which up to one more was read. `cursors` are the items' own, in order."""
    return Page(tuple(items[:limit]), cursors[limit - 1] if len(items) > limit else None)
