"""Group commit: whatever waits is run in one transaction and committed once, without any artificial delay.

One thread owns the connection that writes. While it commits, new units of work gather; they are its next transaction.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

BATCH_MAX: Final = 256
"""Units per transaction: bounds how long one caller waits for others' work."""


class Savepoint:
    """Keeps one unit's failure from harming the others of its transaction; `error` is what it raised.

    Talks to the driver directly: SQLAlchemy's nested transactions cost more than the units themselves.
    """

    def __init__(self, tx: Connection) -> None:
        driver = tx.connection.driver_connection
        assert driver is not None
        self._execute: Callable[[str], object] = driver.execute
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        self._execute("SAVEPOINT unit")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if error is not None:
            self._execute("ROLLBACK TO unit")
        self._execute("RELEASE unit")
        self.error = error
        return True


@dataclass(frozen=True, slots=True)
class _Waiting:
    unit: Callable[[Connection], Any]
    flush: bool
    done: "asyncio.Future[Any]"


@dataclass(frozen=True, slots=True)
class _Outcome:
    value: Any
    error: BaseException | None


class Writer:
    """The one writer of a SQLite database. `tx` is its connection, used only on its thread."""

    def __init__(self, tx: Connection, thread: ThreadPoolExecutor) -> None:
        self._tx = tx
        self._thread = thread
        self._flushing = True
        self._waiting: list[_Waiting] = []
        self._draining: asyncio.Task[None] | None = None

    async def write(self, unit: Callable[[Connection], T], *, flush: bool) -> T:
        """Runs the unit in the next transaction and waits for its commit. Cancelled callers only stop waiting.

        The commit is on the disk when this returns, if any unit of the transaction is to be flushed.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(unit, flush, done))
        if self._draining is None:
            self._draining = loop.create_task(self._drain())
        return await done

    async def close(self) -> None:
        """Waits until nothing waits."""
        while self._draining is not None:
            await asyncio.shield(self._draining)

    def disconnect(self) -> None:
        """Closes the connection; after `close`, when the thread is gone."""
        self._tx.close()

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                flush = any(waiting.flush for waiting in batch)
                running = loop.run_in_executor(self._thread, self._run, [waiting.unit for waiting in batch], flush)
                await asyncio.wait([running])
                _settle(batch, running)
        finally:
            self._draining = None

    def _run(self, units: Sequence[Callable[[Connection], Any]], flush: bool) -> list[_Outcome]:
        self._set_flushing(flush)
        with self._tx.begin():
            return [self._run_one(unit) for unit in units]

    def _set_flushing(self, flush: bool) -> None:
        """FULL flushes the log at each commit; NORMAL leaves it to the next one that does (sqlite.org, synchronous)."""
        if flush != self._flushing:
            driver = self._tx.connection.driver_connection
            assert driver is not None
            driver.execute(f"PRAGMA synchronous = {'FULL' if flush else 'NORMAL'}")
            self._flushing = flush

    def _run_one(self, unit: Callable[[Connection], Any]) -> _Outcome:
        value = None
        with Savepoint(self._tx) as savepoint:
            value = unit(self._tx)
        return _Outcome(value, savepoint.error)


def _settle(batch: Sequence[_Waiting], running: "asyncio.Future[list[_Outcome]]") -> None:
    """Tells every waiter what became of it; when the transaction itself failed, that is what became of all."""
    failed = running.exception()
    outcomes = [_Outcome(None, failed)] * len(batch) if failed is not None else running.result()
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if waiting.done.done():
            continue
        if outcome.error is not None:
            waiting.done.set_exception(outcome.error)
        else:
            waiting.done.set_result(outcome.value)
