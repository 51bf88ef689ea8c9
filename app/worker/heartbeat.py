"""Says that this process is alive: prolongs the leases of all tasks that it works on, sync ones too."""

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.store import fleet, leases
from app.store.database import Database, Tx

log = structlog.get_logger(__name__)


class Heartbeat:
    """Beats every `every_s` for the process `owner`, whose leases last `lease_s`."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        owner: str,
        every_s: float,
        lease_s: float,
        given_up: set[tuple[str, str]],
    ) -> None:
        """`given_up`: task ids and lease tokens of what this process owns and no longer works on (L5)."""
        self._database = database
        self._clock = clock
        self._owner = owner
        self._every_s = every_s
        self._lease_s = lease_s
        self._given_up = given_up

    async def run(self) -> None:
        """Beats until cancelled. A database that is away for less than a lease costs nothing."""
        while True:
            try:
                await self.beat()
            except GatewayError as error:
                log.error("heartbeat.failed", error=error.code)
            await self._clock.sleep(self._every_s)

    async def beat(self) -> None:
        """One beat. Raises: Overloaded (storage_unavailable)."""
        at, given_up = self._clock.now(), frozenset(self._given_up)

        def unit(tx: Tx) -> None:
            fleet.heartbeat(tx, self._owner, at=at)
            leases.renew_all(tx, owner=self._owner, seconds=self._lease_s, at=at)
            for task_id, lease_token in given_up:
                leases.abandon(tx, task_id, lease_token=lease_token)

        await self._database.write(unit)
        self._given_up -= given_up

    async def stop(self) -> None:
        """Ends this process's leases, so that what it leaves undone is taken over at once. Raises: Overloaded."""

        def unit(tx: Tx) -> None:
            leases.abandon_all(tx, owner=self._owner)
            fleet.leave(tx, self._owner)

        await self._database.write(unit)
