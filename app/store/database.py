"""The database: units of work in, results out. A unit is a function that takes the transaction as `tx`."""

import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final, Literal, Protocol, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.core.errors import Overloaded
from app.store.postgresql import PostgresqlBackend
from app.store.sqlite import SqliteBackend
from app.store.sqlite import advice as sqlite_advice

T = TypeVar("T")

Tx = Connection
"""The transaction a unit of work runs in. Other rooms name its type and hand it to the store's functions."""

RETRY_AFTER_S: Final = 2.0


class Backend(Protocol):
    """How one kind of database runs a unit of work."""

    async def write(self, unit: Callable[[Connection], T], *, flush: bool, account_id: str | None) -> T:
        """Runs it in a transaction; when this returns it is committed, and on the disk if `flush` says so."""
        ...

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs it on one snapshot, without the right to write."""
        ...

    async def close(self) -> None:
        """Waits for what is running and disconnects."""
        ...


class Database:
    """SQLite or PostgreSQL behind two verbs.

    A unit of work may run more than once (PostgreSQL may ask for a retry), so it changes only its transaction. It
    never commits, and it never waits for anything but the database.
    """

    def __init__(self, backend: Backend, *, dialect: Literal["sqlite", "postgresql"]) -> None:
        self._backend = backend
        self.dialect = dialect

    @classmethod
    async def open(cls, url: str, *, pool_size: int = 10, own_clock: bool = True) -> "Database":
        """Connects to `sqlite+aiosqlite:///PATH` or `postgresql+asyncpg://…`; see `migrate` for the schema.

        `own_clock` False: leases and expiry on PostgreSQL are compared with the caller's clock, for tests that move it.

        Raises:
            ValueError: the URL names another database, or no file.
            Overloaded (storage_unavailable): it does not answer.
        """
        parsed = make_url(url)
        match parsed.get_backend_name():
            case "sqlite":
                return cls(await guarded(SqliteBackend.open(parsed, readers=min(pool_size, 4))), dialect="sqlite")
            case "postgresql":
                opened = PostgresqlBackend.open(parsed, pool_size=pool_size, own_clock=own_clock)
                return cls(await guarded(opened), dialect="postgresql")
            case other:
                raise ValueError(f"{other} is not supported: use sqlite+aiosqlite or postgresql+asyncpg")

    async def write(self, unit: Callable[[Connection], T], *, flush: bool = True, account_id: str | None = None) -> T:
        """Runs a unit of work in one transaction. Returned: committed. Raised: rolled back, others unharmed.

        Cancelling the caller does not interrupt it: it still commits or rolls back as a whole.

        `flush` False is for what is short and worth nothing without a later write: on SQLite it may be run on the event
        loop, where all else waits for it. Others see it, and it outlives this process,
        but a loss of power (on PostgreSQL: of the server) may undo it until the next flushed write has returned.

        `account_id` is for what changes the account's row, which has one writer at a time: such units of this process
        share a transaction and wait for one commit. On SQLite all do, whatever they are about.

        Raises:
            Overloaded (storage_unavailable): the database is locked, gone, full or read-only. When the connection broke
                during the commit, it may have been committed: read again by id.
        """
        return await guarded(self._backend.write(unit, flush=flush, account_id=account_id))

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs queries on one snapshot. Raises: Overloaded (storage_unavailable)."""
        return await guarded(self._backend.read(query))

    @property
    def advice(self) -> str | None:
        """What an operator should be told at start about this database, or None."""
        return sqlite_advice() if self.dialect == "sqlite" else None

    async def close(self) -> None:
        """Waits for units that are running and disconnects."""
        await self._backend.close()


async def guarded(work: Awaitable[T]) -> T:
    """Tells a database that cannot serve now from a statement that is wrong; the latter is a bug and stays as it is.

    Raises:
        Overloaded (storage_unavailable): it cannot serve now.
    """
    try:
        return await work
    except (DBAPIError, PoolTimeout, OSError) as error:
        if _is_wrong(error):
            raise
        raise Overloaded(
            "The database is not available now. Please try again.",
            code="storage_unavailable",
            retry_after_s=RETRY_AFTER_S,
        ) from error


def _is_wrong(error: Exception) -> bool:
    """Whether the statement, not the database, is at fault. SQLite has one error for both, and a code."""
    if isinstance(error, IntegrityError | DataError | ProgrammingError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
