"""Waits for tasks: woken at once by this process, and by reading again for what other replicas do."""

from typing import Final

from app.core.clock import Clock
from app.core.errors import NotFound
from app.gateway.bell import Bell
from app.gateway.task_views import TaskRows, find_rows
from app.store.database import Database

READ_AGAIN_S: Final = 1.0


class TaskWatch:
    """Reads tasks, now or when they have ended."""

    def __init__(self, database: Database, *, clock: Clock, bell: Bell) -> None:
        self._database = database
        self._clock = clock
        self._bell = bell

    async def look(self, task_id: str, *, account_id: str) -> TaskRows:
        """The task now. Raises: NotFound (task_not_found): it does not exist, or is another account's."""
        at = self._clock.now()
        rows = await self._database.read(lambda tx: find_rows(tx, task_id, at=at, account_id=account_id))
        if rows is None:
            raise NotFound("There is no such task.", code="task_not_found")
        return rows

    async def ended(self, task_id: str, *, account_id: str, seconds: float = float("inf")) -> TaskRows:
        """The task when it has ended, or as it is after `seconds`. Raises: NotFound (task_not_found)."""
        until = self._clock.monotonic() + seconds
        with self._bell.listening(task_id) as rung:
            while True:
                rows = await self.look(task_id, account_id=account_id)
                left_s = until - self._clock.monotonic()
                if rows.task.status.terminal or left_s <= 0:
                    return rows
                await self._bell.heard(rung, min(left_s, READ_AGAIN_S))
