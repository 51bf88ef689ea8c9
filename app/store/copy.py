"""Moves a whole installation's rows from SQLite to PostgreSQL: all of them, proven the same, or none."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from sqlalchemy import URL, Connection, Row, Table, func, insert, make_url, select
from sqlalchemy.exc import OperationalError

from app.store import migrate
from app.store.database import guarded
from app.store.ledger_verify import verify
from app.store.postgresql import create_postgresql_engine
from app.store.sqlite_engine import create_sqlite_engine
from app.store.tables import metadata

BATCH: Final = 200

Told = Callable[[str, int], None]
"""Is told a table's name and how many of its rows have been copied, once per table."""


class CopyRefused(Exception):
    """Nothing was copied. The message says why."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What was copied: rows by table, and the entries of the ledger that both databases verify."""

    rows: dict[str, int]
    entries: int


async def copy_database(source_url: str, target_url: str, *, told: Told) -> Copied:
    """Copies every row of the SQLite database into the PostgreSQL one, which must be empty, in one transaction.

    The source is locked against every other program and is not changed; the target's schema is brought up to date. Both
    ledgers are verified, and every row is read back and compared, before the transaction is committed.

    Raises:
        CopyRefused: the URLs are of other kinds, the source is missing, in use, of another revision or not sound, or
            the target is not empty.
        Overloaded (storage_unavailable): one of them does not answer.
    """
    source, target = make_url(source_url), make_url(target_url)
    _check(source, target)
    if await migrate.current(source_url) != migrate.head():
        raise CopyRefused(f"The schema of {source.database} is not this version's: run `oneshape migrate` on it first.")
    await migrate.upgrade(target_url)
    reading = create_sqlite_engine(
        source.update_query_dict({"timeout": "1"}),
        begin="BEGIN EXCLUSIVE",
        pool_size=1,
        pragmas=("locking_mode = EXCLUSIVE",),  # fails while any other connection is open, even an idle one
    )
    writing = create_postgresql_engine(target, pool_size=1, limits={})
    try:
        with reading.connect() as origin:
            _lock(origin)
            async with writing.begin() as connection:
                return await guarded(connection.run_sync(lambda tx: _copy_all(origin, tx, told)))
    finally:
        reading.dispose()
        await writing.dispose()


def _check(source: URL, target: URL) -> None:
    if source.get_backend_name() != "sqlite" or target.get_backend_name() != "postgresql":
        raise CopyRefused("Rows are copied from sqlite+aiosqlite:///PATH to postgresql+asyncpg://… only.")
    if not source.database or not Path(source.database).is_file():
        raise CopyRefused(f"There is no file {source.database}.")


def _lock(origin: Connection) -> None:
    try:
        origin.begin()
    except OperationalError as error:
        raise CopyRefused(
            "The SQLite database is in use: stop the gateway, and every program that reads it."
        ) from error


def _copy_all(origin: Connection, tx: Connection, told: Told) -> Copied:
    for table in metadata.sorted_tables:
        if tx.execute(select(table.primary_key.columns[0]).limit(1)).first() is not None:
            raise CopyRefused(f"The PostgreSQL database is not empty: there are rows in {table.name}.")
    entries = _verified(origin, "SQLite")
    rows = {}
    for table in metadata.sorted_tables:  # parents before their children
        rows[table.name] = _copy_table(origin, tx, table)
        told(table.name, rows[table.name])
    assert _verified(tx, "PostgreSQL") == entries
    return Copied(rows, entries)


def _copy_table(origin: Connection, tx: Connection, table: Table) -> int:
    copied = 0
    for batch in _batches(origin, table):
        tx.execute(insert(table), [dict(zip(table.columns.keys(), row, strict=True)) for row in batch])
        copied += len(batch)
    if (counter := table.autoincrement_column) is not None and copied:
        sequence = func.pg_get_serial_sequence(table.name, counter.name)
        tx.execute(select(func.setval(sequence, select(func.max(counter)).scalar_subquery())))
    if _digest(origin, table) != _digest(tx, table):
        raise CopyRefused(f"The rows of {table.name} did not arrive as they were; nothing was kept.")
    return copied


def _verified(tx: Connection, where: str) -> int:
    """How many entries the ledger has. Raises: CopyRefused: it breaks a rule."""
    verification = verify(tx)
    if not verification.ok:
        raise CopyRefused(f"The ledger in {where} is not sound: {'; '.join(verification.violations)}")
    return verification.entries


def _batches(tx: Connection, table: Table) -> Iterator[Sequence[Row[Any]]]:
    return tx.execute(select(table), execution_options={"yield_per": BATCH}).partitions()


def _digest(tx: Connection, table: Table) -> int:
    """A sum over all rows that does not depend on their order, which the two databases see differently."""
    return sum(_row_digest(row) for batch in _batches(tx, table) for row in batch)


def _row_digest(row: Row[Any]) -> int:
    spelled = orjson.dumps(list(row), default=bytes.hex)
    return int.from_bytes(hashlib.blake2b(spelled, digest_size=16).digest())
