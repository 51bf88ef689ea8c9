"""What one process finds out of vendors the others know; together they never ask one for more than it allows."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from app.core.catalog import Target
from app.core.clock import Clock
from app.core.errors import Overloaded
from app.core.exchange import Failure
from app.gateway.place_leases import LAPSE_S, LEASE_S, PlaceLeases
from app.store.database import Database, Tx
from app.upstream.places import Places
from tests.routing.processes import Process, catalog_of, process_of
from tests.routing.support import HandClock, begun, deliver, fail, vendor

FEW = vendor("few", concurrency=5, keys=("one", "two"))
AT_FEW = Target(FEW, "m")


@pytest.fixture
async def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def pair(database_url: str, clock: HandClock) -> AsyncIterator[tuple[Process, Process]]:
    async with AsyncExitStack() as stack:
        first, second = [
            await stack.enter_async_context(process_of(database_url, catalog_of(FEW), name, clock))
            for name in ("prc_1", "prc_2")
        ]
        yield first, second


async def lent(process: Process) -> None:
    """Lets a process borrow for what waits there, which it has to begin to do first."""
    await asyncio.sleep(0)  # noqa: TID251 - whoever was begun waits now
    await process.leases.settle()


async def failed(process: Process, failure: Failure, times: int) -> None:
    """Work that failed there."""
    working = asyncio.create_task(fail(process.pool, AT_FEW, failure, times=times))
    await lent(process)
    await working


async def told(first: Process, second: Process) -> None:
    """What the first has found out reaches the second."""
    await first.shared.tell()
    await second.shared.refresh()


async def test_a_breaker_that_one_process_opens_is_open_at_the_other_and_closes_with_it(
    pair: tuple[Process, Process], clock: HandClock
) -> None:
    first, second = pair
    await failed(first, Failure.FAILED, 5)
    await told(first, second)
    standing = second.pool.standing(AT_FEW)
    assert (standing.resting, standing.rest_s > 25) == ("breaker_open", True)
    clock.time += 41
    assert second.pool.standing(AT_FEW).resting is None
    probe = begun(first.pool, AT_FEW)
    await told(first, second)
    assert second.pool.standing(AT_FEW).resting == "breaker_open", "one probe at a time, of all processes"
    await probe.take(within_s=1)
    probe.delivered()
    await told(first, second)
    standing = second.pool.standing(AT_FEW)
    assert standing.resting is None
    assert standing.share < 0.2, "it comes back slowly everywhere"


async def test_a_process_that_starts_knows_at_once(database_url: str, clock: HandClock) -> None:
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(process_of(database_url, catalog_of(FEW), "prc_1", clock))
        await failed(first, Failure.NO_IMAGE, 5)
        await failed(first, Failure.RATE_LIMITED, 1)
        await first.shared.tell()
        late = await stack.enter_async_context(process_of(database_url, catalog_of(FEW), "prc_9", clock))
        await late.shared.refresh()
        health = late.pool.health(FEW)
    assert health.targets["m"].breaker == "open"
    assert health.health.breaker == "closed", "only the model was at fault"
    assert [one.rest_s > 0 for one in health.credentials].count(True) == 1


async def test_what_a_model_usually_takes_is_known_to_a_process_that_has_not_asked_it(
    pair: tuple[Process, Process], clock: HandClock
) -> None:
    first, second = pair
    for _ in range(6):
        trial = begun(first.pool, AT_FEW)
        working = asyncio.create_task(trial.take(within_s=1))
        await lent(first)
        await working
        clock.time += 12
        trial.delivered()
    await first.shared.refresh()
    await told(first, second)
    assert second.pool.watched(FEW, "m").pace.usual_s(clock.time) == pytest.approx(12)


async def test_nothing_is_written_while_nothing_changes(pair: tuple[Process, Process], database_url: str) -> None:
    first, _ = pair
    working = asyncio.create_task(deliver(first.pool, AT_FEW))
    await lent(first)
    await working
    before = await rows(database_url)
    for _ in range(50):
        await deliver(first.pool, AT_FEW)
        await first.leases.settle()
        await first.shared.tell()
    assert await rows(database_url) == before


async def rows(url: str) -> list[tuple[object, ...]]:
    """Every row of both tables."""
    database = await Database.open(url)
    found = await database.read(
        lambda tx: [
            tuple(row)
            for table in ("vendor_health", "vendor_places")
            for row in tx.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2")
        ]
    )
    await database.close()
    return found


async def test_places_are_lent_to_one_process_at_a_time_and_come_back(
    pair: tuple[Process, Process], clock: HandClock
) -> None:
    first, second = pair
    trials = [begun(first.pool, AT_FEW) for _ in range(5)]
    working = [asyncio.create_task(trial.take(within_s=1)) for trial in trials]
    await lent(first)
    await asyncio.gather(*working)
    wanting = begun(second.pool, AT_FEW)
    waiting = asyncio.create_task(wanting.take(within_s=30))
    await lent(second)
    assert second.pool.health(FEW).in_use == 0
    clock.time += 1
    await first.leases.settle()  # sees that somebody wants
    trials[0].close()
    trials[1].close()
    await first.leases.settle()
    assert [one.done() for one in (waiting,)] == [False]
    trials[2].close()
    trials[3].close()
    await first.leases.settle()
    clock.time += 1
    await second.leases.settle()
    await waiting
    assert (first.pool.health(FEW).in_use, second.pool.health(FEW).in_use) == (1, 1)


async def test_what_a_dead_process_held_is_lent_again_when_its_lease_is_over(
    pair: tuple[Process, Process], database_url: str
) -> None:
    """By the database's clock: the test moves the lease, not the time."""
    first, second = pair
    working = asyncio.gather(*(begun(first.pool, AT_FEW).take(within_s=1) for _ in range(5)))
    await lent(first)
    await working
    database = await Database.open(database_url)
    await database.write(lambda tx: tx.exec_driver_sql(f"UPDATE vendor_places SET until = until - {2 * LEASE_S}"))
    await database.close()
    waiting = asyncio.create_task(begun(second.pool, AT_FEW).take(within_s=30))
    await lent(second)
    await waiting
    assert second.pool.health(FEW).in_use == 1


class Away(Database):
    """A database that does not answer."""

    def __init__(self) -> None:
        pass

    async def read(self, query: Callable[[Tx], Any], **_: Any) -> Any:
        raise Overloaded("away", code="storage_unavailable", retry_after_s=1)

    async def write(self, unit: Callable[[Tx], Any], **_: Any) -> Any:
        raise Overloaded("away", code="storage_unavailable", retry_after_s=1)


async def test_a_process_that_cannot_renew_begins_nothing_new_before_others_may(clock: HandClock) -> None:
    assert LAPSE_S < LEASE_S
    places, asked = Places(3), asyncio.Event()
    leases = PlaceLeases(
        Away(), clock=clock, places=lambda: {"few": places}, asked=asked, catalog=lambda: catalog_of(FEW), process="p"
    )
    running = asyncio.create_task(leases.run())
    await asyncio.sleep(0)  # noqa: TID251 - lets it try once
    assert places.granted == 3
    clock.time += LAPSE_S
    asked.set()
    real = Clock()
    while places.granted:
        await real.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_three_processes_together_never_have_more_under_way_than_the_vendor_allows(
    database_url: str, limit: int
) -> None:
    clock, at = Clock(), Target(vendor("shared", concurrency=limit), "m")
    under_way, most = 0, 0

    async def work(process: Process) -> None:
        nonlocal under_way, most
        with begun(process.pool, at) as trial:
            await trial.take(within_s=60)
            under_way += 1
            most = max(most, under_way)
            await clock.sleep(0.01)
            under_way -= 1

    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(process_of(database_url, catalog_of(at.vendor), f"prc_{number}", clock))
            for number in range(3)
        ]
        running = [asyncio.create_task(process.leases.run()) for process in processes]
        await asyncio.gather(*(work(process) for process in processes for _ in range(20)))
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert under_way == 0
    assert most == limit
