"""Places at one vendor: how many calls this process may have under way there, and who waits for one, in turn."""

import asyncio
from collections import deque
from collections.abc import Callable


class Places:
    """Hands out `granted` places, of the vendor's `limit` for all processes.

    Whoever grants may take some back: those in use are then free when their work ends. `short` is called when somebody
    has to wait, so that more can be asked for.
    """

    __slots__ = ("_peak", "_queue", "_short", "granted", "in_use", "limit")

    def __init__(self, granted: int, short: Callable[[], None] = lambda: None) -> None:
        self.granted = granted
        self.limit = granted
        self.in_use = 0
        self._short = short
        self._peak = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return sum(not waiter.done() for waiter in self._queue)

    @property
    def held(self) -> int:
        """How many places are not anybody else's: those granted, and those that are still in use beyond."""
        return max(self.granted, self.in_use)

    def peak(self) -> int:
        """The most that were in use or wanted at once since this was last asked."""
        peak, self._peak = max(self._peak, self.in_use), self.in_use
        return peak

    def free(self) -> bool:
        """Whether a place can be had without waiting."""
        return self.in_use < self.granted and not self._queue

    async def take(self, *, within_s: float) -> None:
        """Takes a place. Raises: TimeoutError: there was none in time."""
        if self.free():
            self._use()
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        self._peak = max(self._peak, self.in_use + len(self._queue))
        self._short()
        try:
            async with asyncio.timeout(max(within_s, 0.0)):
                await waiter
        except BaseException:
            if waiter.done() and not waiter.cancelled():
                self.give_back()  # It was handed over just as the waiting ended.
            else:
                waiter.cancel()
                self._queue.remove(waiter)
            raise

    def give_back(self) -> None:
        """A place is free again; it goes to the next in turn."""
        self.in_use -= 1
        self._hand_on()

    def grant(self, places: int) -> None:
        """From now on there are so many."""
        self.granted = places
        self._hand_on()

    def _use(self) -> None:
        self.in_use += 1
        self._peak = max(self._peak, self.in_use)

    def _hand_on(self) -> None:
        while self._queue and self.in_use < self.granted:
            waiter = self._queue.popleft()
            if not waiter.done():
                self._use()
                waiter.set_result(None)
