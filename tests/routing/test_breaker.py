"""The breaker of a vendor and of one model there (fault-cases section 5, promise 13)."""

import pytest

from app.core.exchange import Failure, VendorFailure
from app.upstream.health import BreakerRules
from tests.routing.support import HandClock, deliver, fail, pool_of, target

A = target("a")


async def test_five_failures_in_a_row_set_a_vendor_aside_and_four_do_not() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, A, times=4)
    assert pool.standing(A).resting is None
    await fail(pool, A)
    assert pool.standing(A).resting == "breaker_open"


async def test_a_delivered_picture_begins_the_count_anew() -> None:
    pool = pool_of(HandClock())
    for _ in range(3):
        await fail(pool, A, times=4)
        await deliver(pool, A)
    assert pool.standing(A).resting is None


async def test_it_rests_30_s_and_up_to_10_s_more_by_chance_and_longer_each_time_up_to_300_s() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, A, times=5)
    for opening in range(1, 13):
        rest_s = pool.standing(A).rest_s
        usual_s = min(30 * opening, 300)
        assert usual_s <= rest_s <= usual_s + 10
        clock.time += rest_s
        assert pool.standing(A).resting is None
        await fail(pool, A)  # The probe.


async def test_the_jitter_differs_so_that_replicas_do_not_return_together() -> None:
    rests = set()
    for seed in range(5):
        pool = pool_of(HandClock(), seed=seed)
        await fail(pool, A, times=5)
        rests.add(pool.standing(A).rest_s)
    assert len(rests) == 5


async def test_one_probe_at_a_time_finds_out() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, A, times=5)
    clock.time += 40
    probe = pool.trial(A, retry=False, last=False)
    assert probe is not None
    assert pool.standing(A).resting == "probe_running"
    assert pool.trial(A, retry=False, last=False) is None
    await probe.take(within_s=1)
    probe.delivered()
    assert pool.trial(A, retry=False, last=False) is not None


async def test_a_probe_that_proved_nothing_leaves_its_place_to_another() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, A, times=5)
    clock.time += 40
    for _ in range(2):
        probe = pool.trial(A, retry=False, last=False)
        assert probe is not None
        with probe:
            await probe.take(within_s=1)
    assert pool.trial(A, retry=False, last=False) is not None


async def test_the_last_target_is_tried_whatever_its_health() -> None:
    pool = pool_of(HandClock())
    await fail(pool, A, times=50)
    assert pool.trial(A, retry=False, last=False) is None
    assert pool.trial(A, retry=False, last=True) is not None


async def test_what_was_under_way_when_it_opened_does_not_count_again() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    under_way = [pool.trial(A, retry=False, last=False) for _ in range(20)]
    for trial in under_way:
        assert trial is not None
        await trial.take(within_s=1)
    for trial in under_way:
        assert trial is not None
        trial.failed(VendorFailure(Failure.TIMED_OUT))
    assert pool.standing(A).rest_s <= 40
    assert pool.health(A.vendor).health.openings == 1


async def test_a_success_that_began_before_it_opened_does_not_close_it() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    early = pool.trial(A, retry=False, last=False)
    assert early is not None
    await early.take(within_s=1)
    clock.time += 1
    await fail(pool, A, times=5)
    clock.time += 1
    early.delivered()
    assert pool.standing(A).resting == "breaker_open"


async def test_what_has_just_come_back_gets_a_growing_share_of_its_work() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, A, times=5)
    clock.time += 40
    await deliver(pool, A)
    shares = []
    for _ in range(4):
        shares.append(pool.standing(A).share)
        clock.time += 20
    assert shares == [pytest.approx(0.1), pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]


async def test_whoever_flaps_is_set_aside_for_longer_each_time() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    rests = []
    for _ in range(3):
        await fail(pool, A, times=5)
        rests.append(pool.standing(A).rest_s)
        clock.time += rests[-1]
        await deliver(pool, A)
    assert rests[0] < 60 <= rests[1] < 90 <= rests[2]


async def test_after_five_good_minutes_the_first_rest_is_short_again() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await fail(pool, A, times=5)
    clock.time += 40
    await deliver(pool, A)
    clock.time += 301
    await fail(pool, A, times=5)
    assert pool.standing(A).rest_s <= 40


@pytest.mark.parametrize("failure", [Failure.REJECTED, Failure.MODERATED])
async def test_a_request_that_was_refused_for_what_it_says_is_not_the_vendors_fault(failure: Failure) -> None:
    pool = pool_of(HandClock())
    await fail(pool, A, failure, times=20)
    assert pool.standing(A).resting is None
    assert pool.health(A.vendor).health.recent.seen == 0


@pytest.mark.parametrize("failure", [Failure.NO_IMAGE, Failure.UNKNOWN_MODEL])
async def test_a_model_that_draws_nothing_is_left_alone_and_its_vendor_is_not(failure: Failure) -> None:
    """A text where a picture should be (F71) says nothing of the vendor's other models."""
    pool, other = pool_of(HandClock()), target("a", model="other")
    await fail(pool, A, failure, times=5)
    assert pool.standing(A).resting == "breaker_open"
    assert pool.standing(other).resting is None


@pytest.mark.parametrize("failure", [Failure.UNREADABLE, Failure.TIMED_OUT, Failure.CUT, Failure.UNREACHABLE])
async def test_a_vendor_that_is_down_is_down_for_all_its_models(failure: Failure) -> None:
    pool, other = pool_of(HandClock()), target("a", model="other")
    await fail(pool, A, failure, times=5)
    assert pool.standing(other).resting == "breaker_open"


async def test_pictures_of_another_shape_set_a_model_aside() -> None:
    """F77: the client gets the picture, and the target loses its place."""
    pool = pool_of(HandClock())
    for _ in range(5):
        await deliver(pool, A, as_asked=False)
    assert pool.standing(A).resting == "breaker_open"
    assert pool.health(A.vendor).targets["m"].recent.delivered_rate == 0


async def test_the_rules_are_the_operators() -> None:
    clock = HandClock()
    pool = pool_of(clock, rules=BreakerRules(failures=2, open_s=3))
    await fail(pool, A, times=2)
    assert 3 <= pool.standing(A).rest_s <= 4


async def test_rates_and_latencies_are_of_the_last_ten_minutes() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    await deliver(pool, A)
    await fail(pool, A)
    await fail(pool, A, Failure.UNAVAILABLE)
    recent = pool.health(A.vendor).health.recent
    assert recent.error_rate == pytest.approx(2 / 3)
    assert (recent.seen, recent.delivered_rate) == (3, 0.5)
    clock.time += 600
    assert pool.health(A.vendor).health.recent.error_rate is None
