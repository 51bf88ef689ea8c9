"""Who writes to a SQLite database: a thread that runs what has gathered, and the caller itself what is short."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.store.gather import Gather, Outcome, Savepoint, Unit

T = TypeVar("T")


class Writer:
    """Group commit on SQLite."""

    def __init__(self, tx: Connection, thread: ThreadPoolExecutor, quick: Connection) -> None:
        """`tx` flushes each commit and is used only on its thread. `quick` flushes none and waits for no lock."""
        self._tx = tx
        self._thread = thread
        self._quick = quick
        self._gather = Gather(self._transaction)

    async def write(self, unit: Callable[[Connection], T], *, flush: bool) -> T:
        """Runs the unit in the next transaction and waits for its commit. Cancelled callers only stop waiting.

        What needs no flush is run here and now, unless the thread is at work or another process writes.
        """
        if not flush and self._gather.idle:
            try:
                return self._at_once(unit)
            except DBAPIError as error:
                if not _is_locked(error):
                    raise
        return await self._gather.write(unit, flush=flush)

    async def close(self) -> None:
        """Waits until nothing waits."""
        await self._gather.close()

    def disconnect(self) -> None:
        """Closes the connections; after `close`, when the thread is gone."""
        self._quick.close()
        self._tx.close()

    def _at_once(self, unit: Callable[[Connection], T]) -> T:
        """Runs a unit here. It does not wait for the disk, and so is over before the thread would have woken up."""
        with self._quick.begin():
            return unit(self._quick)

    async def _transaction(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, units)

    def _run(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        with self._tx.begin():
            if len(units) == 1:  # nobody else's work needs a savepoint
                return [Outcome(units[0].run(self._tx))]
            return [self._run_one(unit) for unit in units]

    def _run_one(self, unit: Unit) -> Outcome:
        driver: Any = self._tx.connection.driver_connection
        value = None
        with Savepoint(driver.execute) as savepoint:
            value = unit.run(self._tx)
        return Outcome(value, savepoint.error)


def _is_locked(error: DBAPIError) -> bool:
    """Whether another process is writing."""
    return (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY
