"""Erases stored pictures that no row knows: what a crash between storing and settling left. Expiry is `sweep`'s."""

from collections.abc import Sequence
from typing import Final

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.media import MediaStore, Stored
from app.store import accounts, media
from app.store.database import Database

log = structlog.get_logger(__name__)

DAY_S: Final = 24 * 3600.0
EVERY_S: Final = 6 * 3600.0


class Orphans:
    """Looks through the whole store every six hours.

    A picture is stored before its row is written, so only what is a day older than any task may be is an orphan. What
    is older than the database's first account is left alone: it is somebody else's, or the database is the wrong one.
    """

    def __init__(self, database: Database, store: MediaStore, *, clock: Clock, task_deadline_s: float) -> None:
        """`task_deadline_s`: how long a task may take, its pictures being stored at any time of it."""
        self._database = database
        self._store = store
        self._clock = clock
        self._age_s = DAY_S + task_deadline_s

    async def run(self) -> None:
        """Sweeps until cancelled; what cannot be done now is done next time."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.sweep()
            except GatewayError as error:
                log.warning("orphans.failed", error=error.code)

    async def sweep(self) -> int:
        """Erases the orphans there are; how many. Raises: Overloaded (storage_unavailable)."""
        since = await self._database.read(accounts.oldest)
        if since is None:
            return 0
        before = self._clock.now() - self._age_s
        erased = 0
        async for page in self._store.stored():
            erased += await self._erase([found for found in page if since <= found.at < before])
        if erased:
            log.info("orphans.erased", pictures=erased)
        return erased

    async def _erase(self, candidates: Sequence[Stored]) -> int:
        ids = {found.name: found.name.partition(".")[0] for found in candidates}
        if not ids:
            return 0
        kept = await self._database.read(lambda tx: media.kept(tx, ids.values()))
        orphans = [name for name, media_id in ids.items() if media_id not in kept]
        for name in orphans:
            await self._store.delete(name)
        return len(orphans)
