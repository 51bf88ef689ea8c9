"""Waits for tasks: woken at once by this process, and by reading again for what other replicas do."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Final

from app.core.clock import Clock
from app.core.errors import InternalError, NotFound, Overloaded
from app.gateway.bell import Bell
from app.gateway.task_views import TaskRows, find_rows
from app.store import tasks
from app.store.database import Database

READ_AGAIN_S: Final = 1.0
"""How often it is read which tasks have ended, for all that are waited for at once."""
PATIENCE_S: Final = 60.0
"""For how long whoever paid for an answer waits for a database that is away."""


class TaskWatch:
    """Reads tasks, now or when they have ended."""

    def __init__(self, database: Database, *, clock: Clock, bell: Bell, looked_at: Callable[[str], None]) -> None:
        """`looked_at` is told the task that somebody looks at, and again as long as somebody does."""
        self._database = database
        self._clock = clock
        self._bell = bell
        self._looked_at = looked_at
        self._watched: Counter[str] = Counter()
        self._reading: asyncio.Task[None] | None = None

    async def look(self, task_id: str, *, account_id: str) -> TaskRows:
        """The task now. Raises: NotFound (task_not_found): it does not exist, or is another account's."""
        at = self._clock.now()
        rows = await self._database.read(lambda tx: find_rows(tx, task_id, at=at, account_id=account_id))
        if rows is None:
            raise NotFound("There is no such task.", code="task_not_found")
        self._looked_at(task_id)
        return rows

    async def ended(self, task_id: str, *, account_id: str, seconds: float = float("inf")) -> TaskRows:
        """The task when it has ended, or as it is after `seconds`. Raises: NotFound (task_not_found)."""
        until = self._clock.monotonic() + seconds
        with self._bell.listening(task_id) as rung, self._watching(task_id):
            while True:
                rows = await self.look(task_id, account_id=account_id)
                left_s = until - self._clock.monotonic()
                if rows.task.status.terminal or left_s <= 0:
                    return rows
                await self._bell.heard(rung, min(left_s, PATIENCE_S))

    async def outcome(self, task_id: str, *, account_id: str, seconds: float = float("inf")) -> TaskRows:
        """As `ended`, for a client whose request is at work: a database that is away is waited for.

        Raises: InternalError, after a minute: what the client is told must not make it ask, and pay, once more.
        """
        until = self._clock.monotonic() + seconds
        patient_until = None
        while True:
            try:
                return await self.ended(task_id, account_id=account_id, seconds=until - self._clock.monotonic())
            except Overloaded as error:
                now = self._clock.monotonic()
                patient_until = patient_until or now + PATIENCE_S
                if now > patient_until:
                    raise untold(task_id) from error
                await self._clock.sleep(READ_AGAIN_S)

    @contextmanager
    def _watching(self, task_id: str) -> Iterator[None]:
        self._watched[task_id] += 1
        if self._reading is None:
            self._reading = asyncio.create_task(self._read_again(), name="watch")
        try:
            yield
        finally:
            self._watched[task_id] -= 1
            if not self._watched[task_id]:
                del self._watched[task_id]

    async def _read_again(self) -> None:
        """Wakes those whose task is over elsewhere; all of them where nothing can be read, to find out themselves."""
        try:
            while self._watched:
                await self._clock.sleep(READ_AGAIN_S)
                ids = [*self._watched]
                for task_id in ids:
                    self._looked_at(task_id)
                for task_id in {*ids} - await self._unfinished(ids):
                    self._bell.ring(task_id)
        finally:
            self._reading = None

    async def _unfinished(self, ids: Collection[str]) -> frozenset[str]:
        try:
            return await self._database.read(lambda tx: tasks.unfinished(tx, ids))
        except Overloaded:
            return frozenset()


def untold(task_id: str) -> InternalError:
    """What a client is told whose task was begun and whose outcome cannot be told now. A vendor may have been paid."""
    return InternalError(
        "The outcome cannot be told now; the task tells it later.", should_retry=False, task_id=task_id
    )
