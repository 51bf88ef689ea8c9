"""Ends admissions whose commit was lost on the way: the client was told that the database is away, and the task may be
there all the same, held for, leased, and worked on by nobody (H96, L5).
"""

import asyncio
from dataclasses import dataclass
from typing import Final

import structlog

from app.core.clock import Clock
from app.core.errors import Overloaded
from app.core.task import TaskStatus
from app.gateway.settlement import Settlement
from app.store import leases, tasks
from app.store.database import Database, Tx
from app.store.tasks import LeaseLost, Task

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
LATE_S: Final = 60.0
"""A commit that was on its way may arrive so long after the database first answered again."""


@dataclass(slots=True)
class _Doubt:
    """`repeated`: the client has a claim on the task, so that its next try joins it."""

    lease_token: str | None
    repeated: bool
    until: float | None = None


class DoubtfulAdmissions:
    """Looks for such tasks while there are any doubts.

    One that a repeat may join is done as any task whose owner is gone, and paid once. Any other is cancelled, since the
    client may ask for the same again and would pay twice.
    """

    def __init__(self, database: Database, *, clock: Clock, settlement: Settlement) -> None:
        self._database = database
        self._clock = clock
        self._settlement = settlement
        self._doubts: dict[str, _Doubt] = {}
        self._looking: asyncio.Task[None] | None = None

    def add(self, task: Task, *, repeated: bool) -> None:
        """Nobody knows whether this task was committed; whoever admitted it does not work on it."""
        self._doubts[task.id] = _Doubt(task.lease_token, repeated)
        if self._looking is None:
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        try:
            while self._doubts:
                try:
                    await self._look_once()
                except Overloaded as error:
                    log.info("admission.doubtful", tasks=len(self._doubts), error=error.code)
                await self._clock.sleep(LOOK_S)
        finally:
            self._looking = None

    async def _look_once(self) -> None:
        doubts = dict(self._doubts)
        there = await self._database.read(lambda tx: tasks.unfinished(tx, doubts))
        now = self._clock.monotonic()
        for task_id, doubt in doubts.items():
            doubt.until = doubt.until or now + LATE_S
            if task_id in there:
                await self._end(task_id, doubt)
            if task_id in there or now > doubt.until:
                del self._doubts[task_id]

    async def _end(self, task_id: str, doubt: _Doubt) -> None:
        at, token = self._clock.now(), doubt.lease_token

        def unit(tx: Tx) -> bool:
            if not doubt.repeated:
                tasks.request_cancel(tx, task_id)
                self._settlement.cancel_within(tx, task_id, lease_token=token, at=at)
            elif token is not None:
                leases.abandon(tx, task_id, lease_token=token)
            return not doubt.repeated

        try:
            cancelled = await self._database.write(unit)
        except LeaseLost:  # a worker has it by now: it is finished, or ends where it was asked to
            await self._database.write(lambda tx: tasks.request_cancel(tx, task_id) is not None)
            return
        log.warning("admission.found", task_id=task_id, cancelled=cancelled)
        if cancelled:
            self._settlement.ended_within(task_id, TaskStatus.CANCELLED)
