"""How many requests a key may make in a minute: exact over every sixty seconds, in this process or wherever counted."""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final, Protocol

from app.core.clock import Clock
from app.core.errors import RateLimited
from app.gateway.caller import Caller

MINUTE_S: Final = 60.0
KEYS_MAX: Final = 10_000
"""Keys that are remembered; beyond that, those that have been silent for longest are forgotten."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a key may do after this request. `reset_s`: until it may do all of `limit` at once again."""

    limit: int
    remaining: int
    reset_s: float
    retry_after_s: float | None = None

    def demand(self) -> None:
        """Raises: RateLimited, when this request was one too many."""
        if self.retry_after_s is not None:
            raise RateLimited(f"This key may make {self.limit} requests in a minute.", retry_after_s=self.retry_after_s)


class Rates(Protocol):
    """Counts requests: in this process, or for all replicas together."""

    async def count(self, caller: Caller) -> Allowance | None:
        """Counts a request; None for a key without a limit. One too many is told, and not counted itself."""
        ...


class RateLimits:
    """Counts the requests of keys that have a limit. A sliding window: no edge at which twice as many pass (G94)."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._made: OrderedDict[str, deque[float]] = OrderedDict()

    async def count(self, caller: Caller) -> Allowance | None:
        """Counts a request; None for a key without a limit. One too many is told, and not counted itself."""
        limit = caller.key.requests_per_minute
        if limit is None:
            return None
        made, now = self._window(caller.key.id), self._clock.monotonic()
        while made and made[0] <= now - MINUTE_S:
            made.popleft()
        if len(made) >= limit:
            free_s = made[-limit] + MINUTE_S - now
            return Allowance(limit, 0, made[-1] + MINUTE_S - now, retry_after_s=free_s)
        made.append(now)
        return Allowance(limit, limit - len(made), MINUTE_S)

    def _window(self, key_id: str) -> deque[float]:
        if key_id not in self._made:
            self._made[key_id] = deque()
            if len(self._made) > KEYS_MAX:
                self._made.popitem(last=False)
        self._made.move_to_end(key_id)
        return self._made[key_id]
