"""Credentials, places and the retry budget of the pool."""

import asyncio

import pytest

from app.core.catalog import Target
from app.core.exchange import Failure, VendorFailure
from app.upstream.pool import VendorPool
from app.upstream.trial import POOL_WAIT_S
from tests.routing.support import HandClock, begun, fail, pool_of, target, vendor

TWO = target("a", keys=("one", "two"))


async def key_of(pool: VendorPool, at: Target) -> str:
    with begun(pool, at) as trial:
        return await trial.take(within_s=1)


async def test_credentials_take_turns() -> None:
    pool = pool_of(HandClock())
    assert len({await key_of(pool, TWO), await key_of(pool, TWO)}) == 2


@pytest.mark.parametrize("failure", [Failure.RATE_LIMITED, Failure.UNAUTHORIZED, Failure.OUT_OF_FUNDS])
async def test_a_refused_credential_cools_down_alone(failure: Failure) -> None:
    """F79: the other one serves, and the vendor is in health."""
    pool = pool_of(HandClock())
    with begun(pool, TWO) as trial:
        refused = await trial.take(within_s=1)
        trial.failed(VendorFailure(failure))
    assert {await key_of(pool, TWO) for _ in range(4)} == {"one", "two"} - {refused}
    assert pool.standing(TWO).resting is None
    assert pool.health(TWO.vendor).health.breaker == "closed"


async def test_a_vendor_rests_while_all_its_credentials_cool_down() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, TWO, Failure.RATE_LIMITED, times=2)
    assert pool.standing(TWO).resting == "credentials_cooling"
    clock.time += 30
    assert pool.standing(TWO).resting is None


@pytest.mark.parametrize(("said", "waited"), [(0.0, 1), (-1.0, 1), (7.0, 7), (1e9, 60)])
async def test_retry_after_is_believed_from_1_to_60_s(said: float, waited: float) -> None:
    """F79."""
    pool, at = pool_of(HandClock()), target("a")
    with begun(pool, at) as trial:
        await trial.take(within_s=1)
        trial.failed(VendorFailure(Failure.RATE_LIMITED, retry_after_s=said))
    assert pool.standing(at).rest_s == waited


async def test_a_key_that_is_refused_again_cools_down_longer_until_it_is_accepted() -> None:
    clock, at = HandClock(), target("a")
    pool = pool_of(clock)
    rests = []
    for _ in range(3):
        await fail(pool, at, Failure.UNAUTHORIZED)
        rests.append(pool.standing(at).rest_s)
    with begun(pool, at) as trial:
        await trial.take(within_s=1)
        trial.delivered()
    await fail(pool, at, Failure.UNAUTHORIZED)
    assert [*rests, pool.standing(at).rest_s] == [30, 60, 90, 30]


async def test_a_wait_for_a_place_ends_with_the_deadline_as_a_refusal_that_counts_for_nobody() -> None:
    pool, at = pool_of(HandClock()), Target(vendor("a", concurrency=1), "m")
    with begun(pool, at) as first:
        await first.take(within_s=1)
        second = begun(pool, at)
        with pytest.raises(VendorFailure) as refused:
            await second.take(within_s=0.01)
        assert refused.value.failure is Failure.UNAVAILABLE
        assert not second.called
        second.failed(refused.value)
    assert pool.health(at.vendor).health.failures_in_row == 0
    assert pool.health(at.vendor).in_use == 0


async def test_work_that_can_go_elsewhere_waits_two_seconds_for_a_place_at_most() -> None:
    pool, at = pool_of(HandClock()), Target(vendor("a", concurrency=1), "m")
    loop = asyncio.get_running_loop()
    with begun(pool, at) as first:
        await first.take(within_s=1)
        second, began = begun(pool, at, last=False), loop.time()
        with second, pytest.raises(VendorFailure):
            await second.take(within_s=900)
        assert loop.time() - began >= POOL_WAIT_S


async def test_who_waited_for_a_place_while_the_breaker_opened_goes_elsewhere() -> None:
    pool, at = pool_of(HandClock()), Target(vendor("a", concurrency=5), "m")
    failing = [begun(pool, at) for _ in range(5)]
    for trial in failing:
        await trial.take(within_s=1)
    waiting = begun(pool, at, last=False)
    taking = asyncio.create_task(waiting.take(within_s=5))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin to wait
    for trial in failing:
        trial.failed(VendorFailure(Failure.FAILED))
    with waiting, pytest.raises(VendorFailure):
        await taking
    assert pool.health(at.vendor).in_use == 0


async def test_second_tries_are_a_fifth_of_the_work_at_hand_and_three_at_least() -> None:
    """Promise 14."""
    pool, a, b = pool_of(HandClock()), target("a"), target("b")
    assert [pool.trial(b, retry=True, last=True) is not None for _ in range(4)] == [True, True, True, False]
    for _ in range(30):
        begun(pool, a)
    more = [pool.trial(b, retry=True, last=True) for _ in range(10)]
    retrying = 3 + sum(trial is not None for trial in more)
    assert retrying - 1 <= 0.2 * (33 + retrying) <= retrying + 1


async def test_the_budget_is_given_back_when_the_work_ends() -> None:
    pool, b = pool_of(HandClock()), target("b")
    for _ in range(10):
        with begun(pool, b, retry=True):
            assert True


async def test_places_are_kept_when_the_work_is_cancelled() -> None:
    pool, at = pool_of(HandClock()), Target(vendor("a", concurrency=2), "m")
    with pytest.raises(RuntimeError), begun(pool, at) as trial:
        async with trial.credential(within_s=1):
            raise RuntimeError
    assert pool.health(at.vendor).in_use == 0
