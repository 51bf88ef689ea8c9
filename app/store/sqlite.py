"""SQLite: one connection that writes, on a thread of its own, one for what needs no flush, and a few that read.

The driver is the standard library's, called on those threads, not aiosqlite: a unit of work crosses threads once, and
not once per statement.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import orjson
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from app.store.columns import to_json
from app.store.writer import Writer

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = "5"
"""How long to wait for another process's lock; a URL that ends in `?timeout=SECONDS` says otherwise."""

QUICK: Final = ("synchronous = NORMAL", "wal_autocheckpoint = 0", "busy_timeout = 0")
"""For a connection whose commits wait for no disk and no lock: others' flush them and move them to the database."""
WAL_TRIES: Final = 10


def advice(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """What an operator should know about the SQLite library, or None.

    Before 3.51.3, and in 3.52, two connections that checkpoint at once may lose a commit (the "WAL reset" bug, see
    sqlite.org's list of changes). Here two write, never at once, and only one of them checkpoints; another process
    would bring the bug back.
    """
    if version >= (3, 53) or (3, 51, 3) <= version < (3, 52):
        return None
    return f"SQLite {'.'.join(map(str, version))} has the WAL reset bug: let no other program open the database file."


class SqliteBackend:
    """A database file. Everything that writes goes through one `Writer` (group commit)."""

    def __init__(
        self, writing: tuple[Engine, ...], reading: Engine, writer: Writer, threads: tuple[ThreadPoolExecutor, ...]
    ) -> None:
        self._writing = writing
        self._reading = reading
        self._writer = writer
        self._threads = threads

    @classmethod
    async def open(cls, url: URL, *, readers: int) -> "SqliteBackend":
        """Opens the file, making it when it is missing. Raises: ValueError: no file is named; SQLAlchemy's errors."""
        if url.database in (None, "", ":memory:"):
            raise ValueError("a SQLite URL names a file, for example sqlite+aiosqlite:///data/oneshape.db")
        write_thread = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        read_threads = ThreadPoolExecutor(readers, thread_name_prefix="store-read")
        writing = create_sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        reading = create_sqlite_engine(url, begin="BEGIN", pool_size=readers, pragmas=("query_only = ON",))
        tx = await asyncio.get_running_loop().run_in_executor(write_thread, writing.connect)
        quick = create_sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, pragmas=QUICK)
        writer = Writer(tx, write_thread, await asyncio.to_thread(quick.connect))
        return cls((quick, writing), reading, writer, (write_thread, read_threads))

    async def write(self, unit: Callable[[Connection], T], *, flush: bool, account_id: str | None) -> T:
        """Runs a unit in the writer's next transaction."""
        return await self._writer.write(unit, flush=flush)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs a query on a thread that reads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads[1], self._query, query)

    async def close(self) -> None:
        """Waits for the writer and closes it last: the last connection is the one that checkpoints."""
        await self._writer.close()
        for thread in self._threads:
            await asyncio.to_thread(thread.shutdown)
        self._reading.dispose()
        self._writer.disconnect()
        for engine in self._writing:
            engine.dispose()

    def _query(self, query: Callable[[Connection], T]) -> T:
        with self._reading.connect() as tx:
            return query(tx)


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Makes the file keep a write-ahead log. Raises: sqlite3.Error.

    While another process makes it do so too, SQLite refuses at once and does not wait, as it does for a transaction:
    so one is begun to wait for the other's end.
    """
    for left in reversed(range(WAL_TRIES)):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")


def driver_of(tx: Connection) -> sqlite3.Connection:
    """The driver's own connection, for what runs so often that SQLAlchemy would be the largest part of it."""
    driver = tx.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def execute(driver: sqlite3.Connection, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
    """Runs a statement. Raises: SQLAlchemy's errors, as whoever runs a unit of work expects them."""
    try:
        return driver.execute(statement, values)
    except sqlite3.Error as error:
        raise DBAPIError.instance(statement, None, error, sqlite3.Error) from error


def create_sqlite_engine(url: URL, *, begin: str, pool_size: int, pragmas: tuple[str, ...] = ()) -> Engine:
    """An engine whose connections are durable and strict, and whose transactions begin with `begin`.

    The driver begins nothing on its own: it would do so before the first write, too late for a unit that reads first.
    """
    engine = create_engine(
        url.set(drivername="sqlite+pysqlite", query={"timeout": BUSY_TIMEOUT_S, **url.query}),
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={"check_same_thread": False},
        json_serializer=to_json,
        json_deserializer=orjson.loads,
    )
    settings = ("synchronous = FULL", "foreign_keys = ON", *pragmas)

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None
        _log_ahead(connection)
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")

    @event.listens_for(engine, "begin")
    def start(tx: Connection) -> None:
        execute(driver_of(tx), begin)

    return engine
