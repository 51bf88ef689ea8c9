"""Looks for what time has overtaken: tasks without an owner, tasks nobody took, pictures and records to be erased."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError, UpstreamTimeout
from app.core.media import MediaStore
from app.core.task import TaskStatus
from app.gateway.lost_texts import LostTexts
from app.gateway.outputs import media_name
from app.gateway.settlement import Settlement
from app.store import fleet, idempotency, media, tasks
from app.store.database import Database, Tx
from app.worker.claim import Claims

log = structlog.get_logger(__name__)

BATCH: Final = 100
LOOKS: Final = 3
"""How often tasks without an owner are looked for between two sweeps: somebody may be waiting for them."""
DAY_S: Final = 24 * 3600.0


class Sweep:
    """Sweeps every `every_s`."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        claims: Claims,
        settlement: Settlement,
        media: MediaStore,
        lost_texts: LostTexts,
        every_s: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._claims = claims
        self._settlement = settlement
        self._media = media
        self._lost_texts = lost_texts
        self._every_s = every_s

    async def run(self) -> None:
        """Sweeps until cancelled; what cannot be done now is done next time."""
        while True:
            for step in (
                self._claims.claim_expired,
                self.end_overdue,
                self._lost_texts.end,
                self.erase_media,
                self.forget_claims,
                self.forget_processes,
            ):
                await self._repeat(step)
            for _ in range(LOOKS):
                await self._clock.sleep(self._every_s / LOOKS)
                await self._repeat(self._claims.claim_expired)

    async def end_overdue(self) -> int:
        """Fails and releases queued tasks whose deadline has passed (T5); how many."""
        at = self._clock.now()

        def unit(tx: Tx) -> list[str]:
            late = [task.id for task in tasks.overdue(tx, at=at, limit=BATCH)]
            for task_id in late:
                error = UpstreamTimeout("The task was not begun in time.", should_retry=True, task_id=task_id)
                self._settlement.fail_within(tx, task_id, error, lease_token=None, at=at)
            return late

        late = await self._database.write(unit)
        for task_id in late:
            self._settlement.ended_within(task_id, TaskStatus.FAILED)
        return len(late)

    async def erase_media(self) -> int:
        """Erases pictures whose time is over, bytes first; how many."""
        at = self._clock.now()
        old = await self._database.read(lambda tx: media.expired(tx, at=at, limit=BATCH))
        for row in old:
            await self._media.delete(media_name(row.id, row.mime))
        if old:
            await self._database.write(lambda tx: media.mark_erased(tx, [row.id for row in old], at=at))
        return len(old)

    async def forget_claims(self) -> int:
        """Removes idempotency records whose time is over; how many."""
        at = self._clock.now()
        return await self._database.write(lambda tx: idempotency.expire(tx, at=at, limit=BATCH))

    async def forget_processes(self) -> int:
        """Removes what is known of processes that died a day ago."""
        at = self._clock.now()
        await self._database.write(lambda tx: fleet.forget(tx, at=at, seconds=DAY_S))
        return 0

    async def _repeat(self, step: Callable[[], Awaitable[int]]) -> None:
        """Until there is nothing more to do. Raises nothing that the next sweep may mend."""
        try:
            while await step():
                pass
        except GatewayError as error:
            log.warning("sweep.failed", step=step.__name__, error=error.code)
