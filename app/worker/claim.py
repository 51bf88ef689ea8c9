"""Takes queued tasks, and those whose owner is gone, and does them as any other work of this process is done."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.tracing import PLACE
from app.gateway.bell import Bell
from app.gateway.execution import Execution
from app.gateway.faults import NO_FAULTS, Faults
from app.gateway.rebuild import Rebuilder
from app.gateway.settlement import Settlement
from app.media.spool import Spool, SpoolFolder
from app.store import leases
from app.store.database import Database, Tx
from app.store.leases import Lease
from app.store.tasks import LeaseLost, Task

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOOK_S: Final = 0.5
"""How often the queue is looked at for what other processes put there; our own ring the bell."""
PAUSE_S: Final = 0.05
"""How often a worker that is busy looks for more: one transaction then takes what has gathered."""
BATCH: Final = 16
STOPPING_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """`at_once`: tasks drawn at once; `put_away`: tasks that only wait for their vendor, beside those.

    `key_concurrency`: tasks of a key at once, where the key does not say.
    """

    at_once: int = 32
    put_away: int = 20_000
    lease_s: float = 60.0
    key_concurrency: int = 20


class Claims:
    """Keeps this process busy with tasks, within its limits."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        owner: str,
        bell: Bell,
        spool: Spool,
        rebuilder: Rebuilder,
        execution: Execution,
        settlement: Settlement,
        limits: ClaimLimits,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._owner = owner
        self._bell = bell
        self._spool = spool
        self._rebuilder = rebuilder
        self._execution = execution
        self._settlement = settlement
        self._limits = limits
        self._faults = faults
        self._running: set[asyncio.Task[None]] = set()
        self._orphans_left = False

    async def run(self) -> None:
        """Claims queued tasks until cancelled, and before them orphans that there was no room for at the last sweep."""
        with self._bell.listening(Bell.QUEUE) as rung:
            while True:
                if self._orphans_left:
                    await self._quietly(self.claim_expired)
                if await self._quietly(self.claim_queued) or self._room() <= 0:
                    await self._clock.sleep(PAUSE_S)
                else:
                    await self._bell.heard(rung, LOOK_S)

    async def claim_queued(self) -> int:
        """Takes what there is room for, at most a batch; how many. While the spool is full that is nothing: a task that
        is not begun waits better in the queue, from where any process may take it.
        """
        if self._spool.is_full:
            return 0
        return await self._take(
            lambda tx, lease, at, limit: leases.claim(
                tx, lease, at=at, limit=limit, default_concurrency=self._limits.key_concurrency
            )
        )

    async def claim_expired(self) -> int:
        """Takes tasks over whose owner has been silent for longer than its lease; how many."""
        room = min(BATCH, self._room())
        taken = await self._take(lambda tx, lease, at, limit: leases.claim_expired(tx, lease, at=at, limit=limit))
        self._orphans_left = taken >= room
        return taken

    async def stop(self, *, grace_s: float) -> None:
        """Lets tasks that a vendor is drawing finish for so long; those that only wait for one go to others at once."""
        self._execution.let_go()
        until = self._clock.monotonic() + grace_s
        while self._running and self._clock.monotonic() < until:
            await self._clock.sleep(STOPPING_S)
        for doing in self._running:
            doing.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _take(self, query: Callable[[Tx, Lease, float, int], tuple[Task, ...]]) -> int:
        room = min(BATCH, self._room())
        if room <= 0:
            return 0
        lease = Lease(self._owner, secrets.token_hex(16), self._limits.lease_s)
        at = self._clock.now()
        taken = await self._database.write(lambda tx: query(tx, lease, at, room))
        if taken:
            self._faults.at("worker.claimed")
        for task in taken:
            doing = asyncio.create_task(self._do(task), name=task.id)
            self._running.add(doing)
            doing.add_done_callback(self._running.discard)
        return len(taken)

    def _room(self) -> int:
        return min(self._limits.at_once - len(self._running), self._limits.put_away - self._execution.put_away)

    async def _do(self, task: Task) -> None:
        folder = self._spool.folder()
        PLACE.set(task.request.get("trace"))  # of this asyncio task alone: each has a context of its own
        try:
            await self._quietly(lambda: self._work_on(task, folder))
        finally:
            await folder.release()

    async def _work_on(self, task: Task, folder: SpoolFolder) -> None:
        try:
            work = await self._rebuilder.work_of(task, folder)
        except GatewayError as error:
            await self._settlement.fail(task.id, task.account_id, error, lease_token=task.lease_token)
            return
        await self._execution.undertake(work, folder)

    async def _quietly(self, step: Callable[[], Awaitable[T]]) -> T | None:
        """One step of work that must not end the worker: what fails is told, and tried again by whoever is next."""
        try:
            return await step()
        except (GatewayError, LeaseLost) as error:
            log.warning("worker.step_failed", error=str(error))
            return None
        except Exception as bug:
            log.error("worker.broken", exc_info=bug)
            return None
