"""The one writer of a SQLite database: a thread that owns the connection, and runs what has gathered."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection

from app.store.gather import Gather, Outcome, Savepoint, Unit

T = TypeVar("T")


class Writer:
    """Group commit on SQLite. `tx` is its connection, used only on its thread."""

    def __init__(self, tx: Connection, thread: ThreadPoolExecutor) -> None:
        self._tx = tx
        self._thread = thread
        self._flushing = True
        self._gather = Gather(self._transaction)

    async def write(self, unit: Callable[[Connection], T], *, flush: bool) -> T:
        """Runs the unit in the next transaction and waits for its commit. Cancelled callers only stop waiting."""
        return await self._gather.write(unit, flush=flush)

    async def close(self) -> None:
        """Waits until nothing waits."""
        await self._gather.close()

    def disconnect(self) -> None:
        """Closes the connection; after `close`, when the thread is gone."""
        self._tx.close()

    async def _transaction(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, units)

    def _run(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        self._set_flushing(any(unit.flush for unit in units))
        with self._tx.begin():
            return [self._run_one(unit) for unit in units]

    def _run_one(self, unit: Unit) -> Outcome:
        value = None
        with Savepoint(self._driver.execute) as savepoint:
            value = unit.run(self._tx)
        return Outcome(value, savepoint.error)

    def _set_flushing(self, flush: bool) -> None:
        """FULL flushes the log at each commit; NORMAL leaves it to the next one that does (sqlite.org, synchronous)."""
        if flush != self._flushing:
            self._driver.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
            self._flushing = flush

    @property
    def _driver(self) -> Any:
        """The driver's connection."""
        return self._tx.connection.driver_connection
