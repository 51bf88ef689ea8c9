"""Group commit: whatever waits is run in one transaction and committed once, without any artificial delay.

While a transaction runs and commits, new units of work gather; they are the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")

BATCH_MAX: Final = 256
"""Units per transaction: bounds how long one caller waits for others' work."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of work. `flush`: its commit is to be on the disk before anyone is told of it."""

    run: Callable[[Connection], Any]
    flush: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a unit: a value and committed, or an error and undone."""

    value: Any = None
    error: BaseException | None = None


Run = Callable[[Sequence[Unit]], Awaitable[Sequence[Outcome]]]
"""Runs units in one transaction and commits. It may do fewer than it was given: the first ones, and one at least."""


class Savepoint:
    """Keeps one unit's failure from harming the others of its transaction; `error` is what it raised.

    `execute` runs a statement without values: SQLAlchemy's nested transactions cost more than the units themselves.
    """

    def __init__(self, execute: Callable[[str], object]) -> None:
        self._execute = execute
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


class Gather:
    """Units that wait for their turn, and the one task that gives it to them."""

    def __init__(self, run: Run, *, most: int = BATCH_MAX, then: Callable[[], object] = lambda: None) -> None:
        """`most`: units per transaction. `then` is called whenever nothing is left."""
        self._run = run
        self._then = then
        self._most = most
        self._waiting: list[tuple[Unit, asyncio.Future[Any]]] = []
        self._draining: asyncio.Task[None] | None = None

    async def write(self, unit: Callable[[Connection], T], *, flush: bool) -> T:
        """Runs the unit in the next transaction and waits for its commit. Cancelled callers only stop waiting.

        The commit is on the disk when this returns, if any unit of the transaction is to be flushed.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append((Unit(unit, flush), done))
        if self._draining is None:
            self._draining = loop.create_task(self._drain())
        return await done

    @property
    def idle(self) -> bool:
        """Whether nothing waits or runs."""
        return self._draining is None

    async def close(self) -> None:
        """Waits until nothing waits."""
        while self._draining is not None:
            await asyncio.shield(self._draining)

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._most]
                self._waiting = self._waiting[self._most :]
                outcomes = await self._outcomes([unit for unit, _ in batch])
                self._waiting[:0] = batch[len(outcomes) :]
                for (_, done), outcome in zip(batch, outcomes, strict=False):
                    tell(done, outcome)
        finally:
            self._draining = None
            self._then()

    async def _outcomes(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """What became of them; when the transaction itself failed, that is what became of all."""
        try:
            return await self._run(units)
        except Exception as error:  # noqa: BLE001 -- whoever waits is told
            return [Outcome(error=error)] * len(units)


def tell(done: "asyncio.Future[Any]", outcome: Outcome) -> None:
    """Ends a wait with what became of it, if it has not ended."""
    if done.done():
        return
    if outcome.error is not None:
        done.set_exception(outcome.error)
    else:
        done.set_result(outcome.value)
