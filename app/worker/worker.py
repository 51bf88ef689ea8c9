"""The work that goes on beside requests, as one thing to run and to stop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.worker.claim import Claims
from app.worker.heartbeat import Heartbeat
from app.worker.sweep import Sweep

log = structlog.get_logger(__name__)

BROKEN_S: Final = 1.0

Loop = Callable[[], Coroutine[Any, Any, None]]


class Worker:
    """Heartbeats, and where `claims` is given, tasks: claimed, taken over, swept. `others` run beside."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        *,
        clock: Clock,
        claims: Claims | None,
        sweep: Sweep | None,
        others: tuple[Loop, ...] = (),
    ) -> None:
        self._clock = clock
        self._heartbeat = heartbeat
        self._claims = claims
        self._loops: list[Loop] = [*([claims.run] if claims else []), *([sweep.run] if sweep else []), *others]
        self._tasks: list[asyncio.Task[None]] = []
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sets every loop going."""
        self._beating = asyncio.create_task(self._kept_going(self._heartbeat.run), name="heartbeat")
        self._tasks = [asyncio.create_task(self._kept_going(loop), name=loop.__qualname__) for loop in self._loops]

    async def stop(self, *, grace_s: float) -> None:
        """Takes nothing new, lets what is being drawn finish, and leaves the rest to others."""
        await _cancel(self._tasks)
        if self._claims is not None:
            await self._claims.stop(grace_s=grace_s)

    async def leave(self) -> None:
        """Ends the heartbeat and the leases, after everything else of this process has ended."""
        if self._beating is not None:
            await _cancel([self._beating])
        try:
            await self._heartbeat.stop()
        except GatewayError:
            return  # The database is away: the leases run out by themselves.

    async def _kept_going(self, loop: Loop) -> None:
        """Runs a loop again when a bug has ended it: one broken task must not end the work on all others."""
        while True:
            try:
                await loop()
            except Exception as bug:
                log.error("worker.loop_broken", loop=loop.__qualname__, exc_info=bug)
            await self._clock.sleep(BROKEN_S)


async def _cancel(loops: list["asyncio.Task[None]"]) -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
