"""The only place that reads or waits for time. A Clock is passed in; tests pass one that they move by hand."""

import asyncio
import time


class Clock:
    """The machine's clock. Times are unix seconds (UTC, float); durations are seconds."""

    def now(self) -> float:
        """Wall-clock time, for display, expiry and billing periods; never for order."""
        return time.time()

    def monotonic(self) -> float:
        """A time that only goes forward, for durations and deadlines inside one process."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits."""
        await asyncio.sleep(seconds)
