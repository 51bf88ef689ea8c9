"""How a connection to a SQLite file is made, and how its driver is reached."""

import sqlite3
from typing import Any, Final

import orjson
from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from app.store.columns import to_json

BUSY_TIMEOUT_S: Final = "5"
"""How long to wait for another process's lock; a URL that ends in `?timeout=SECONDS` says otherwise."""
WAL_TRIES: Final = 10


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
        driver = driver_of(tx)
        if not driver.in_transaction:  # or whoever writes has begun it
            execute(driver, begin)

    return engine


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
