"""The work that goes on beside requests, as one thing to run and to stop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from app.core.errors import GatewayError
from app.worker.claim import Claims
from app.worker.heartbeat import Heartbeat
from app.worker.sweep import Sweep

Loop = Callable[[], Coroutine[Any, Any, None]]


class Worker:
    """Heartbeats, and where `claims` is given, tasks: claimed, taken over, swept. `others` run beside."""

    def __init__(
        self, heartbeat: Heartbeat, *, claims: Claims | None, sweep: Sweep | None, others: tuple[Loop, ...] = ()
    ) -> None:
        self._heartbeat = heartbeat
        self._claims = claims
        self._loops: list[Loop] = [*([claims.run] if claims else []), *([sweep.run] if sweep else []), *others]
        self._tasks: list[asyncio.Task[None]] = []
        self._beating: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Sets every loop going."""
        self._beating = asyncio.create_task(self._heartbeat.run(), name="heartbeat")
        self._tasks = [asyncio.create_task(loop(), name=loop.__qualname__) for loop in self._loops]

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


async def _cancel(loops: list["asyncio.Task[None]"]) -> None:
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)
