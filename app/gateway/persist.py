"""Does what must not fail because the database is away for a moment: it is about what a vendor was paid for."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from app.core.clock import Clock
from app.core.errors import Overloaded
from app.store.database import Database, Tx

log = structlog.get_logger(__name__)

T = TypeVar("T")

PATIENCE_S: Final = 60.0
PAUSES_S: Final = (0.1, 0.3, 1.0, 2.0, 5.0)
"""Before each further try; the last is repeated."""


async def write_persistently(
    database: Database, clock: Clock, unit: Callable[[Tx], T], *, account_id: str | None = None
) -> T:
    """Runs the unit (see `Database.write`) until it is committed, for a minute at most.

    A try whose answer was lost may have been committed: the unit must say so when it runs again, or do nothing.

    Raises: Overloaded (storage_unavailable), when the minute is over.
    """
    return await _persistently(lambda: database.write(unit, account_id=account_id), clock)


async def read_persistently(database: Database, clock: Clock, query: Callable[[Tx], T]) -> T:
    """As `write_persistently`, for a query."""
    return await _persistently(lambda: database.read(query), clock)


async def _persistently(step: Callable[[], Awaitable[T]], clock: Clock) -> T:
    until = clock.monotonic() + PATIENCE_S
    tries = 0
    while True:
        try:
            return await step()
        except Overloaded:
            pause_s = PAUSES_S[min(tries, len(PAUSES_S) - 1)]
            if clock.monotonic() + pause_s > until:
                raise
            tries += 1
            log.warning("database.again", tries=tries)
            await clock.sleep(pause_s)
