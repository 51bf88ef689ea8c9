"""Who writes to a SQLite database: a thread that runs what has gathered, and the caller itself what is short."""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from app.store.gather import Gather, Outcome, Savepoint, Unit
from app.store.sqlite_engine import driver_of, execute
from app.store.threads import Threads

T = TypeVar("T")


class Writer:
    """Group commit on SQLite."""

    def __init__(self, tx: Connection, thread: Threads, quick: Connection) -> None:
        """`tx` flushes each commit and is used only on its thread. `quick` flushes none and waits for no lock."""
        self._transactions = Transactions(tx)
        self._thread = thread
        self._quick = Transactions(quick)
        self._gather = Gather(self._transaction)

    async def write(self, unit: Callable[[Connection], T], *, flush: bool) -> T:
        """Runs the unit in the next transaction and waits for its commit. Cancelled callers only stop waiting.

        What needs no flush is run here and now, unless the thread is at work or another process writes: it is over
        before the thread would have woken up.
        """
        if not flush and self._gather.idle:
            try:
                return self._quick.run(unit)
            except DBAPIError as error:
                if not _is_locked(error):
                    raise
        return await self._gather.write(unit, flush=flush)

    async def close(self) -> None:
        """Waits until nothing waits."""
        await self._gather.close()

    def disconnect(self) -> None:
        """Closes the connections; after `close`, when the thread is gone."""
        self._quick.tx.close()
        self._transactions.tx.close()

    async def _transaction(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        return await self._thread.run(partial(self._transactions.run, partial(_run, units=units)))


class Transactions:
    """The transactions of a connection that writes, begun and ended at the driver.

    SQLAlchemy, which costs as much for that as a hold's rows cost, joins when a unit of work uses it.
    """

    def __init__(self, tx: Connection) -> None:
        self.tx = tx
        self._driver = driver_of(tx)

    def run(self, unit: Callable[[Connection], T]) -> T:
        """Runs a unit and commits. Raises: what the unit raises, and SQLAlchemy's errors; nothing is written then."""
        execute(self._driver, "BEGIN IMMEDIATE")
        try:
            value = unit(self.tx)
            if self.tx.in_transaction():
                self.tx.commit()
            else:
                execute(self._driver, "COMMIT")
        except BaseException:
            self._undo()
            raise
        return value

    def _undo(self) -> None:
        self.tx.rollback()
        if self._driver.in_transaction:
            execute(self._driver, "ROLLBACK")


def _run(tx: Connection, units: Sequence[Unit]) -> Sequence[Outcome]:
    if len(units) == 1:  # nobody else's work needs a savepoint
        return [Outcome(units[0].run(tx))]
    driver = driver_of(tx)
    return [_run_one(tx, driver, unit) for unit in units]


def _run_one(tx: Connection, driver: sqlite3.Connection, unit: Unit) -> Outcome:
    value = None
    with Savepoint(driver.execute) as savepoint:
        value = unit.run(tx)
    return Outcome(value, savepoint.error)


def _is_locked(error: DBAPIError) -> bool:
    """Whether another process is writing."""
    return (getattr(error.orig, "sqlite_errorcode", 0) & 0xFF) == sqlite3.SQLITE_BUSY
