"""How much this process has taken on, and when it says no: places for work, bytes of bodies, memory, a late event loop.

A refusal must be cheap and early (fault-cases 1.15): nothing has been read, looked up or parsed when it is made.
"""

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from app.core.errors import Overloaded
from app.gateway.metrics import Metrics
from app.gateway.services import LoadLimits

TICK_S: Final = 0.1
RETRY_S: Final = (5.0, 30.0)
"""From when to when refused clients are told to come back: not all at once."""


class Load:
    """The account of one process's load. Places go round among those who wait, one each, so that none takes all."""

    def __init__(
        self,
        limits: LoadLimits,
        *,
        rng: random.Random,
        metrics: Metrics,
        memory: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`metrics` are told of all that is measured here; `memory` tells how full it is, 0 to 1."""
        self._limits = limits
        self._rng = rng
        self._metrics = metrics
        self._memory = memory
        self._queues: OrderedDict[bytes, deque[asyncio.Future[None]]] = OrderedDict()
        self._tick: asyncio.TimerHandle | None = None
        self.running = 0
        self.waiting = 0
        self.bytes = 0
        self.lag_s = 0.0
        self.memory = 0.0
        self._late_s = 0.0

    async def enter(self, whose: bytes) -> None:
        """Takes a place, at once or after a short wait; `leave` gives it back. Raises: Overloaded."""
        self.demand_hope()
        if self.running < self._limits.running:
            self.running += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(whose, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as gone:
            self._withdraw(whose, turn)
            if isinstance(gone, TimeoutError):
                raise self._refusal() from None
            raise
        finally:
            self.waiting -= 1

    def demand_hope(self) -> None:
        """Raises: Overloaded, when nobody could take a place now, nor wait for one."""
        self._watch()
        full = self.running >= self._limits.running and self.waiting >= self._limits.waiting
        if full or self.lag_s > self._limits.lag_s or self.memory > self._limits.memory_shed:
            raise self._refusal()

    def leave(self) -> None:
        """Gives the place to who waits, or back."""
        while self._queues:
            whose, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[whose] = queue
            if not turn.done():
                turn.set_result(None)
                return
        self.running -= 1

    def hold(self, count: int) -> None:
        """Counts bytes in; `free` counts them out. Raises: Overloaded, with nothing counted."""
        if self.bytes + count > self._limits.body_bytes or (count and self.memory > self._limits.memory_stop):
            raise self._refusal()
        self.bytes += count

    def free(self, count: int) -> None:
        """Counts bytes out."""
        self.bytes -= count

    def demand_room(self, count: int) -> None:
        """Raises: Overloaded when so many bytes could not be held now: said before the first of them is read.

        What could never be held is for its route to refuse: that is no matter of load. With the last memory in use
        whatever has a body is refused.
        """
        self._watch()
        if self.bytes + count > self._limits.body_bytes >= count or self.memory > self._limits.memory_stop:
            raise self._refusal()

    def measure_memory(self) -> float:
        """How full the memory is at this moment, from 0 to 1."""
        return self._memory()

    def tell(self, *, memory: float) -> None:
        """Tells the metrics what is so now, `memory` being how full it is."""
        self._metrics.loaded(running=self.running, waiting=self.waiting, body_bytes=self.bytes, memory=memory)

    def _withdraw(self, whose: bytes, turn: "asyncio.Future[None]") -> None:
        """Who does not wait any more leaves the queue; a place that was given at this very moment goes on."""
        if turn.done() and not turn.cancelled():
            self.leave()
            return
        queue = self._queues.get(whose)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._queues[whose]

    def _refusal(self) -> Overloaded:
        wait_s = self._rng.uniform(*RETRY_S)
        return Overloaded("The gateway is busy; try again shortly.", retry_after_s=wait_s, should_retry=True)

    def _watch(self) -> None:
        """Measures while there is work how late a timer is, and the memory: no task to be started and ended."""
        if self._tick is None:
            loop = asyncio.get_running_loop()
            self._tick = loop.call_later(TICK_S, self._ticked, loop, loop.time() + TICK_S)

    def _ticked(self, loop: asyncio.AbstractEventLoop, expected_at: float) -> None:
        self._tick = None
        before_s, self._late_s = self._late_s, max(loop.time() - expected_at, 0.0)
        self._metrics.lagged(self._late_s)
        # One stop (a neighbour on the machine, a collection of garbage) is no overload: being late twice in a row is.
        self.lag_s = min(before_s, self._late_s)
        self.memory = self._memory()
        self.tell(memory=self.memory)
        if self.running or self._late_s > TICK_S or self.memory > self._limits.memory_shed:
            self._watch()
