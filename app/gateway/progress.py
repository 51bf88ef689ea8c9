"""How far vendors say that tasks are, written for many at once: it is worth little, and there is much of it."""

import asyncio
from functools import partial

import structlog

from app.core.errors import Overloaded
from app.store import tasks
from app.store.database import Database
from app.store.tasks import Progress

log = structlog.get_logger(__name__)


class ProgressBoard:
    """Writes what is told while the write before goes on as one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._told: dict[str, Progress] = {}
        self._writing: asyncio.Task[None] | None = None

    def tell(self, task_id: str, lease_token: str, percent: int) -> None:
        """To be written soon, unless the lease is lost by then. What the database cannot take now is not told."""
        self._told[task_id] = Progress(task_id, lease_token, percent)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="progress")

    async def _write(self) -> None:
        try:
            while self._told:
                told, self._told = tuple(self._told.values()), {}
                try:
                    await self._database.write(partial(tasks.set_progress, told=told), flush=False)
                except Overloaded as error:
                    log.info("progress.untold", tasks=len(told), error=error.code)
        finally:
            self._writing = None
