"""How many requests a key may make in a minute, counted once for all replicas in Redis or Valkey.

Money never depends on it. While it is away every replica counts for itself: a key's limit then holds for each of them.
Needs the extra `redis`.
"""

import secrets
from typing import Final, Self

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.core.clock import Clock
from app.gateway.caller import Caller
from app.gateway.limits import MINUTE_S, Allowance, RateLimits

log = structlog.get_logger(__name__)

PREFIX: Final = "oneshape:requests:"
PATIENCE_S: Final = 0.25
"""How long a request may wait for Redis before it is counted here."""
REST_S: Final = 2.0
"""How long a Redis that failed is not asked: nobody waits for it meanwhile."""
CONNECTIONS: Final = 32

# The same sliding window as in memory: the times of a key's requests in the last minute, by Redis's own clock. Answers
# whether this one passed, how many are counted then, and microseconds until the window is empty and until one may pass.
_COUNT: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit = tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 60000000)
local made = redis.call('ZCARD', KEYS[1])
if made < limit then
  redis.call('ZADD', KEYS[1], now, ARGV[2])
  redis.call('PEXPIRE', KEYS[1], 60000)
  return {1, made + 1, 60000000, 0}
end
local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
local freed = redis.call('ZRANGE', KEYS[1], -limit, -limit, 'WITHSCORES')
return {0, made, last[2] + 60000000 - now, freed[2] + 60000000 - now}
"""


class SharedRateLimits:
    """Counts in Redis, and in `local` while Redis does not answer."""

    def __init__(self, redis: Redis, *, local: RateLimits, clock: Clock) -> None:
        self._redis = redis
        self._script = redis.register_script(_COUNT)
        self._local = local
        self._clock = clock
        self._rests_until = 0.0
        self._reachable = True

    @classmethod
    def at(cls, url: str, *, local: RateLimits, clock: Clock) -> Self:
        """Behind `redis://host:6379/0` or `rediss://…`; connects when first asked. Raises: ValueError: another URL."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=PATIENCE_S,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            retry=Retry(NoBackoff(), 0),
        )
        return cls(Redis.from_pool(pool), local=local, clock=clock)

    async def count(self, caller: Caller) -> Allowance | None:
        """Counts a request; None for a key without a limit. One too many is told, and not counted itself."""
        limit = caller.key.requests_per_minute
        if limit is None:
            return None
        if self._clock.monotonic() < self._rests_until:
            return await self._local.count(caller)
        try:
            allowance = await self._ask(caller.key.id, limit)
        except (RedisError, OSError) as error:
            self._rest(error)
            return await self._local.count(caller)
        if not self._reachable:
            log.info("limits.shared_again")
            self._reachable = True
        return allowance

    async def close(self) -> None:
        """Closes every connection."""
        await self._redis.aclose()

    async def _ask(self, key_id: str, limit: int) -> Allowance:
        passed, made, reset_us, free_us = await self._script(keys=[PREFIX + key_id], args=[limit, secrets.token_hex(8)])
        if passed:
            return Allowance(limit, limit - int(made), MINUTE_S)
        return Allowance(limit, 0, float(reset_us) / 1e6, retry_after_s=float(free_us) / 1e6)

    def _rest(self, error: Exception) -> None:
        self._rests_until = self._clock.monotonic() + REST_S
        if self._reachable:
            log.warning("limits.local_only", error=type(error).__name__)
            self._reachable = False
