"""Vendors that take work and say nothing: found out by what they usually take, long before their calls time out."""

import pytest

from app.core.catalog import Target
from app.core.exchange import Failure, VendorFailure
from app.upstream.health import WINDOW_S
from app.upstream.pace import KNOWN_FROM, OVERDUE_FACTOR, OVERDUE_S_MIN, UNPROVEN_MAX
from app.upstream.pool import VendorPool
from app.upstream.trial import Trial
from tests.routing.support import HandClock, pool_of, router_of, target

A = target("a")
TOOK_S = 20.0


async def called(pool: VendorPool, at: Target) -> Trial:
    """Work that a vendor was called for."""
    trial = pool.trial(at, retry=False, last=True)
    assert trial is not None
    await trial.take(within_s=1)
    return trial


async def known(clock: HandClock) -> VendorPool:
    """A pool that has seen how long A usually takes."""
    pool = pool_of(clock)
    for _ in range(KNOWN_FROM):
        trial = await called(pool, A)
        clock.time += TOOK_S
        trial.delivered()
    clock.time += 6
    return pool


async def test_five_calls_that_are_overdue_set_a_vendor_aside() -> None:
    clock = HandClock()
    pool = await known(clock)
    trials = [await called(pool, A) for _ in range(5)]
    clock.time += OVERDUE_FACTOR * TOOK_S - 1
    assert pool.standing(A).resting is None
    clock.time += 1
    assert pool.standing(A).resting == "breaker_open"
    assert pool.health(A.vendor).health.overdue == 5
    for trial in trials:
        trial.close()
    assert pool.health(A.vendor).health.overdue == 0


async def test_what_was_counted_as_overdue_does_not_count_again_when_it_times_out() -> None:
    clock = HandClock()
    pool = await known(clock)
    trials = [await called(pool, A) for _ in range(4)]
    clock.time += OVERDUE_FACTOR * TOOK_S
    assert pool.standing(A).resting is None
    for trial in trials:
        trial.failed(VendorFailure(Failure.TIMED_OUT))
    health = pool.health(A.vendor)
    assert (health.health.failures_in_row, health.health.overdue) == (4, 0)


async def test_an_answer_that_has_begun_is_not_silent() -> None:
    clock = HandClock()
    pool = await known(clock)
    trials = [await called(pool, A) for _ in range(5)]
    for trial in trials:
        trial.answering()
    clock.time += 100 * TOOK_S
    assert pool.standing(A).resting is None


async def test_quick_vendors_are_given_a_while() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    for _ in range(KNOWN_FROM):
        (await called(pool, A)).delivered()
    clock.time += 6
    trials = [await called(pool, A) for _ in range(5)]
    clock.time += OVERDUE_S_MIN - 0.5
    assert pool.standing(A).resting is None
    clock.time += 0.5
    assert pool.standing(A).resting == "breaker_open"
    assert trials


async def test_who_has_never_delivered_is_asked_for_little_at_first() -> None:
    """Others are asked first meanwhile; where there is no other, it is asked all the same."""
    pool, other = pool_of(HandClock()), target("b", priority=2)
    router = router_of(pool)
    trials = [await called(pool, A) for _ in range(UNPROVEN_MAX - 1)]
    assert router.order([A, other])[0] is A
    trials.append(await called(pool, A))
    assert [one.vendor.name for one in router.order([A, other])] == ["b", "a"]
    assert router.order([A]) == [A]
    assert router.likely([A]) == [(A, 1.0)]
    for trial in trials[:KNOWN_FROM]:
        trial.delivered()
    assert router.order([A, other])[0] is A


async def test_what_a_model_usually_takes_is_remembered_when_it_was_not_asked_for_long() -> None:
    clock = HandClock()
    pool = await known(clock)
    pace = pool.watched(A.vendor, A.model).pace
    assert pace.usual_s(clock.time) == TOOK_S
    clock.time += WINDOW_S + TOOK_S
    assert pool.health(A.vendor).targets["m"].recent.seen == 0
    assert pace.usual_s(clock.time) == pytest.approx(TOOK_S)
