"""Group commit on PostgreSQL: the units of work that one account waits for, in one transaction.

Every admission and settlement changes its account's row, and whoever changes it keeps it locked until its commit is on
the disk: one by one, an account has no more of them per second than the disk has flushes. Together they wait for one.
Accounts are kept apart, so that no transaction waits for another one in a circle.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import DBAPIError

from app.core.clock import Clock
from app.store.gather import Outcome, Savepoint, Unit
from app.store.tables import accounts
from app.store.tries import TRIES_MAX, disconnected, undone

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

BATCH_MAX: Final = 64
"""Units per transaction; as many savepoints as PostgreSQL keeps at hand for one."""
BATCH_S: Final = 0.1
"""After this a transaction takes no further units: other replicas wait for the account."""

Transact = Callable[[bool], AbstractAsyncContextManager["AsyncConnection"]]
"""A transaction, flushed or not, that commits at the end of its block."""

_CLOCK: Final = Clock()  # the machine's, whatever time it is for the units
_LOCK: Final = select(accounts.c.id).where(accounts.c.id == bindparam("_id")).with_for_update(key_share=True)


class AccountGroup:
    """Runs units of one account together. The account is locked before anything else of a unit (see `ledger`)."""

    def __init__(self, account_id: str, transact: Transact) -> None:
        self._account_id = account_id
        self._transact = transact
        self._careful = False

    async def run(self, units: Sequence[Unit]) -> Sequence[Outcome]:
        """Runs them, or the first of them, and commits. Nobody fails for another's mistake.

        Without savepoints at first, which cost two statements each: most units do not fail. When one does, all are run
        anew with a savepoint each, and so are those that come next, until none has failed for a whole transaction.

        Raises: what beginning or committing the transaction raised; nothing was written, or it is not known.
        """
        batch = _Batch(self._account_id, units, careful=self._careful)
        try:
            outcomes = await self._transaction(batch, flush=any(unit.flush for unit in units))
        except Exception as error:
            if batch.running is None:
                raise
            if self._careful or disconnected(error) or isinstance(error, TimeoutError):
                return await self._without(units, batch.running, error)
            self._careful = True
            return await self.run(units)
        self._careful = any(outcome.error is not None for outcome in outcomes)
        return outcomes

    async def _without(self, units: Sequence[Unit], position: int, error: Exception) -> Sequence[Outcome]:
        """The units before the one that took the connection with it, and its error."""
        done = await self.run(units[:position]) if position else []
        return done if len(done) < position else [*done, Outcome(error=error)]

    async def _transaction(self, batch: "_Batch", *, flush: bool) -> Sequence[Outcome]:
        for left in reversed(range(TRIES_MAX)):
            try:
                async with self._transact(flush) as connection:
                    return await connection.run_sync(batch.run)
            except DBAPIError as error:
                gone = disconnected(error) and batch.running is not None
                if not left or gone or batch.ran or not undone(error):
                    raise
        raise AssertionError("the last try returns or raises")


class _Batch:
    """One transaction's units. `running`: the one that runs now; `ran`: all have, what is left is to commit."""

    def __init__(self, account_id: str, units: Sequence[Unit], *, careful: bool) -> None:
        self._account_id = account_id
        self._units = units
        self._careful = careful
        self.running: int | None = None
        self.ran = False

    def run(self, tx: Connection) -> list[Outcome]:
        """Runs units until time is up, at least one."""
        self.running = None
        tx.execute(_LOCK, {"_id": self._account_id})
        until = _CLOCK.monotonic() + BATCH_S
        outcomes: list[Outcome] = []
        for position, unit in enumerate(self._units):
            if outcomes and _CLOCK.monotonic() > until:
                break
            self.running = position
            outcomes.append(self._run_one(tx, unit))
        self.running = None
        self.ran = True
        return outcomes

    def _run_one(self, tx: Connection, unit: Unit) -> Outcome:
        if not self._careful:
            return Outcome(unit.run(tx))
        value = None
        with Savepoint(tx.exec_driver_sql) as savepoint:
            value = unit.run(tx)
        return Outcome(value, savepoint.error)
