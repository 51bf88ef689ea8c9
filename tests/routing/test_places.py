"""Places at a vendor: granted from outside, waited for in turn, and never lost."""

import asyncio

import pytest

from app.upstream.places import Places


async def begun(places: Places) -> "asyncio.Task[None]":
    """Somebody who waits for a place."""
    task = asyncio.create_task(places.take(within_s=30))
    await asyncio.sleep(0)  # noqa: TID251 - lets it begin to wait
    return task


async def test_nobody_gets_a_place_before_one_is_granted_and_who_grants_is_told() -> None:
    told: list[None] = []
    places = Places(0, lambda: told.append(None))
    first, second = await begun(places), await begun(places)
    assert (len(told), places.waiting, places.in_use) == (2, 2, 0)
    places.grant(1)
    await first
    assert (second.done(), places.waiting, places.in_use) == (False, 1, 1)
    places.give_back()
    await second
    assert (places.waiting, places.in_use) == (0, 1)


async def test_places_taken_back_are_free_when_their_work_ends_and_not_handed_on() -> None:
    places = Places(2)
    await places.take(within_s=1)
    await places.take(within_s=1)
    waiting = await begun(places)
    places.grant(1)
    assert places.held == 2
    places.give_back()
    assert (waiting.done(), places.held) == (False, 1)
    places.give_back()
    await waiting
    assert places.in_use == 1


async def test_who_does_not_get_one_in_time_leaves_the_queue() -> None:
    places = Places(0)
    with pytest.raises(TimeoutError):
        await places.take(within_s=0)
    places.grant(1)
    assert (places.waiting, places.in_use, places.free()) == (0, 0, True)


async def test_a_place_that_was_handed_to_somebody_cancelled_goes_to_the_next() -> None:
    places = Places(0)
    cancelled, patient = await begun(places), await begun(places)
    places.grant(1)
    cancelled.cancel()
    await patient
    assert cancelled.cancelled()
    assert places.in_use == 1


async def test_the_peak_is_told_once() -> None:
    places = Places(3)
    for _ in range(3):
        await places.take(within_s=1)
    for _ in range(3):
        places.give_back()
    assert (places.peak(), places.peak()) == (3, 0)
