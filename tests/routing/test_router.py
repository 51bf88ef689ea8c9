"""The order of a model's targets: priority, weight, health, drained vendors."""

from collections import Counter
from collections.abc import Sequence

import pytest

from app.core.catalog import Target
from app.core.exchange import Failure
from tests.routing.support import HandClock, deliver, fail, model_of, pool_of, router_of, target


def names(targets: Sequence[Target]) -> list[str]:
    return [one.vendor.name for one in targets]


def test_weights_hold_within_two_percent_over_ten_thousand_plans() -> None:
    router = router_of(pool_of(HandClock()), seed=7)
    targets = [target("a", weight=6), target("b", weight=3), target("c", weight=1)]
    first = Counter(router.order(targets)[0].vendor.name for _ in range(10_000))
    for one in targets:
        assert first[one.vendor.name] / 10_000 == pytest.approx(one.weight / 10, abs=0.02)


def test_lower_priority_goes_first_whatever_the_weight() -> None:
    router = router_of(pool_of(HandClock()))
    targets = [target("a", priority=2, weight=1000), target("b", priority=1)]
    assert all(names(router.order(targets)) == ["b", "a"] for _ in range(100))


async def test_a_resting_vendor_is_left_out_where_another_is_fit() -> None:
    pool = pool_of(HandClock())
    a, b = target("a", priority=1), target("b", priority=2)
    await fail(pool, a, times=5)
    assert names(router_of(pool).order([a, b])) == ["b"]


async def test_where_all_rest_one_is_tried_the_one_that_is_ready_first() -> None:
    """In a total outage no request becomes more than one call (promise 14)."""
    clock = HandClock()
    pool = pool_of(clock)
    a, b = target("a"), target("b")
    await fail(pool, a, times=5)
    clock.time += 10
    await fail(pool, b, times=5)
    assert names(router_of(pool).order([b, a])) == ["a"]


async def test_the_only_target_of_a_model_is_never_ejected() -> None:
    """Promise 13."""
    pool, a = pool_of(HandClock()), target("a")
    await fail(pool, a, times=100)
    assert names(router_of(pool).order([a])) == ["a"]


def test_drained_vendors_and_those_without_a_credential_are_not_usable() -> None:
    router = router_of(pool_of(HandClock()), drained=frozenset({"a"}))
    model = model_of(target("a"), target("b"), target("c", keys=()))
    assert names(router.usable(model)) == ["b"]
    assert [place.reason for place in router.places(model)] == ["drained", None, "no_credential"]


async def test_what_has_just_come_back_leads_for_its_share_only() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    a, b = target("a", priority=1), target("b", priority=2)
    await fail(pool, a, times=5)
    clock.time += 40
    await deliver(pool, a)
    clock.time += 30
    router = router_of(pool)
    leads = sum(router.order([a, b])[0] is a for _ in range(2_000)) / 2_000
    assert leads == pytest.approx(0.5, abs=0.05)


async def test_a_vendor_out_of_requests_is_passed_over_until_it_may_be_asked_again() -> None:
    clock = HandClock()
    pool = pool_of(clock)
    a, b = target("a", priority=1), target("b", priority=2)
    await fail(pool, a, Failure.RATE_LIMITED)
    router = router_of(pool)
    assert names(router.order([a, b])) == ["b"]
    clock.time += 30
    assert names(router.order([a, b])) == ["a", "b"]


def test_the_likely_order_tells_how_many_begin_where() -> None:
    router = router_of(pool_of(HandClock()))
    targets = [target("a", weight=1), target("b", weight=3), target("c", priority=2)]
    assert [(one.vendor.name, chance) for one, chance in router.likely(targets)] == [("b", 0.75), ("a", 0.25), ("c", 0)]
