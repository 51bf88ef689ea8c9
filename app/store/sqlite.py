"""SQLite: one connection that writes, on a thread of its own, one for what needs no flush, and a few that read.

The driver is the standard library's, called on those threads, not aiosqlite: a unit of work crosses threads once, and
not once per statement.
"""

import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import URL, Connection, Engine

from app.store.sqlite_engine import create_sqlite_engine
from app.store.threads import Threads
from app.store.writer import Writer

T = TypeVar("T")

QUICK: Final = ("synchronous = NORMAL", "wal_autocheckpoint = 0", "busy_timeout = 0")
"""For a connection whose commits wait for no disk and no lock: others' flush them and move them to the database."""


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
        self, writing: tuple[Engine, ...], reading: Engine, writer: Writer, threads: tuple[Threads, Threads]
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
        writing = create_sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1)
        quick = create_sqlite_engine(url, begin="BEGIN IMMEDIATE", pool_size=1, pragmas=QUICK)
        reading = create_sqlite_engine(url, begin="BEGIN", pool_size=readers, pragmas=("query_only = ON",))
        write_thread = Threads(1, name="store-write")
        try:
            tx, quick_tx = await write_thread.run(writing.connect), await write_thread.run(quick.connect)
        except BaseException:
            await write_thread.close()
            raise
        threads = write_thread, Threads(readers, name="store-read")
        return cls((quick, writing), reading, Writer(tx, write_thread, quick_tx), threads)

    async def write(self, unit: Callable[[Connection], T], *, flush: bool, account_id: str | None) -> T:
        """Runs a unit in the writer's next transaction."""
        return await self._writer.write(unit, flush=flush)

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Runs a query on a thread that reads."""
        return await self._threads[1].run(partial(self._query, query))

    async def close(self) -> None:
        """Waits for the writer and closes it last: the last connection is the one that checkpoints."""
        await self._writer.close()
        for threads in self._threads:
            await threads.close()
        self._reading.dispose()
        self._writer.disconnect()
        for engine in self._writing:
            engine.dispose()

    def _query(self, query: Callable[[Connection], T]) -> T:
        with self._reading.connect() as tx:
            return query(tx)
