"""Which vendors operators have drained, as every replica knows it within seconds."""

from typing import Final

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.store import fleet
from app.store.database import Database

log = structlog.get_logger(__name__)

EVERY_S: Final = 2.0
"""How often the database is asked: nothing new goes to a drained vendor within the 5 s that the contract promises."""


class DrainedVendors:
    """The names, kept fresh by `run`. While the database cannot be reached, what was known last counts."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._names: frozenset[str] = frozenset()

    def names(self) -> frozenset[str]:
        """The vendors that get no new work."""
        return self._names

    async def refresh(self) -> None:
        """Asks the database now. Raises: Overloaded."""
        self._names = await self._database.read(fleet.drained)

    async def run(self) -> None:
        """Refreshes now, and on the clock until cancelled."""
        while True:
            try:
                await self.refresh()
            except GatewayError as error:
                log.warning("drained.unreadable", error=str(error))
            await self._clock.sleep(EVERY_S)
