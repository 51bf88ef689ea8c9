"""With REDIS_URL a key's limit holds for all replicas together; without an answer from there, for each of them."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.clock import Clock
from app.gateway.caller import Caller
from app.gateway.limits import RateLimits
from app.gateway.limits_redis import PREFIX, REST_S, SharedRateLimits
from app.store.accounts import Account
from app.store.keys import Key
from tests.support.gateway import running_gateway
from tests.support.processes import free_port

SERVER = os.environ.get("ONESHAPE_TEST_REDIS", "redis://127.0.0.1:6379/15")
"""A Redis or Valkey server in which the tests may make keys of their own."""
LIMIT = 3


class HandClock(Clock):
    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    """A connection; skips where no server answers."""
    async with Redis.from_url(SERVER) as connected:
        try:
            await connected.ping()
        except RedisError:
            pytest.skip(f"no Redis server answers at {SERVER}")
        yield connected


@pytest.fixture
def caller() -> Caller:
    """A key that nobody else has, with a limit."""
    key = Key(f"key_{uuid.uuid4().hex}", "acc_1", "Test", "hash", "abcd", 0.0, requests_per_minute=LIMIT)
    return Caller(key, Account("acc_1", "Test", "prepaid", 0.0))


@pytest.fixture
async def clock() -> HandClock:
    return HandClock()


def limits_at(url: str, clock: Clock) -> SharedRateLimits:
    return SharedRateLimits.at(url, local=RateLimits(clock), clock=clock)


async def passed(limits: SharedRateLimits, caller: Caller, times: int) -> list[bool]:
    counted = [await limits.count(caller) for _ in range(times)]
    return [allowance is not None and allowance.retry_after_s is None for allowance in counted]


async def test_two_replicas_have_one_limit_between_them(redis: Redis, caller: Caller, clock: HandClock) -> None:
    assert redis is not None
    one, other = limits_at(SERVER, clock), limits_at(SERVER, clock)
    left = [await limits.count(caller) for limits in (one, other, one, other)]
    await one.close()
    await other.close()
    assert [allowance.remaining for allowance in left if allowance] == [2, 1, 0, 0]
    assert [bool(allowance and allowance.retry_after_s) for allowance in left] == [False, False, False, True]


async def test_racing_requests_are_never_more_than_the_limit(redis: Redis, caller: Caller, clock: HandClock) -> None:
    replicas = [limits_at(SERVER, clock) for _ in range(2)]
    counted = await asyncio.gather(*(replicas[number % 2].count(caller) for number in range(20)))
    for limits in replicas:
        await limits.close()
    assert sum(allowance is not None and allowance.retry_after_s is None for allowance in counted) == LIMIT
    assert await redis.zcard(PREFIX + caller.key.id) == LIMIT


async def test_g94_a_request_passes_again_when_the_one_before_the_limit_is_a_minute_old(
    redis: Redis, caller: Caller, clock: HandClock
) -> None:
    seconds, micros = await redis.time()
    now = seconds * 1_000_000 + micros
    ago_s = (59.5, 30, 1)
    await redis.zadd(PREFIX + caller.key.id, {str(ago): now - int(ago * 1_000_000) for ago in ago_s})
    limits = limits_at(SERVER, clock)
    refused = await limits.count(caller)
    assert refused is not None
    assert refused.retry_after_s is not None
    assert 0 < refused.retry_after_s <= 0.5
    assert 58 < refused.reset_s <= 59
    await Clock().sleep(refused.retry_after_s + 0.01)
    assert await passed(limits, caller, 2) == [True, False]
    await limits.close()


async def test_counts_are_forgotten_after_a_minute(redis: Redis, caller: Caller, clock: HandClock) -> None:
    limits = limits_at(SERVER, clock)
    await limits.count(caller)
    await limits.close()
    assert 59_000 < await redis.pttl(PREFIX + caller.key.id) <= 60_000


async def test_f8_without_redis_each_replica_keeps_the_limit_by_itself(caller: Caller, clock: HandClock) -> None:
    limits = limits_at(f"redis://127.0.0.1:{free_port()}/0", clock)
    assert await passed(limits, caller, LIMIT + 1) == [True] * LIMIT + [False]
    await limits.close()


async def test_f8_a_redis_that_hangs_is_waited_for_by_one_request_only(caller: Caller, clock: HandClock) -> None:
    connections = 0

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(-1)
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    limits = limits_at(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", clock)
    assert await passed(limits, caller, 2) == [True, True]
    assert connections == 1
    clock.time += REST_S
    assert await passed(limits, caller, 1) == [True]
    assert connections == 2
    await limits.close()
    server.close()
    await server.wait_closed()


async def test_f8_a_redis_that_came_back_is_asked_again(redis: Redis, caller: Caller, clock: HandClock) -> None:
    port = free_port()
    limits = limits_at(f"redis://127.0.0.1:{port}/15", clock)
    await limits.count(caller)
    assert await redis.zcard(PREFIX + caller.key.id) == 0
    relay = await asyncio.start_server(_to_the_real_one, "127.0.0.1", port)
    clock.time += REST_S
    await limits.count(caller)
    assert await redis.zcard(PREFIX + caller.key.id) == 1
    await limits.close()
    relay.close()
    await relay.wait_closed()


async def test_a_key_without_a_limit_asks_nobody(caller: Caller, clock: HandClock) -> None:
    free = Caller(Key("key_free", "acc_1", "Test", "hash", "abcd", 0.0), caller.account)
    limits = limits_at("redis://127.0.0.1:1/0", clock)
    assert await limits.count(free) is None
    await limits.close()


@pytest.mark.parametrize("url", [SERVER, "redis://127.0.0.1:1/0"], ids=["redis answers", "redis is gone"])
async def test_a_gateway_with_a_redis_url_keeps_limits_and_serves(redis: Redis, tmp_path: Path, url: str) -> None:
    assert redis is not None
    async with running_gateway(tmp_path, redis_url=url) as gateway:
        key = await gateway.new_key(requests_per_minute=2)
        async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
            answers = [await client.get("/v1/account") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["1", "0", "0"]


async def _to_the_real_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    real_reader, real_writer = await asyncio.open_connection("127.0.0.1", 6379)
    await asyncio.gather(_pump(reader, real_writer), _pump(real_reader, writer))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
