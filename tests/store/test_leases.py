"""Leases: one worker per task, fair limits per key, and orphans that are found."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import Connection, text

from app.core.task import TaskStatus
from app.store import leases, tasks
from app.store.database import Database
from app.store.leases import Lease
from app.store.tasks import Task
from tests.store.rows import NOW, a_task, add_account, add_key, admit


@pytest.fixture
async def queue(database: Database) -> Database:
    """A database with an account that can pay."""
    await database.write(lambda tx: add_account(tx, units=10_000))
    return database


def fill(tx: Connection, count: int, *, prefix: str = "task_", key_id: str = "key_1", after: float = 0) -> None:
    for number in range(count):
        admit(tx, a_task(f"{prefix}{number:03}", key_id=key_id, created_at=NOW + after + number))


async def test_two_workers_never_claim_the_same_task(queue: Database, database_url: str) -> None:
    await queue.write(lambda tx: fill(tx, 60))
    other = await Database.open(database_url, own_clock=False)

    async def work(database: Database, owner: str) -> list[str]:
        mine: list[str] = []
        claim = partial(leases.claim, lease=Lease(owner, owner, 60), at=NOW, limit=3)
        while claimed := await database.write(claim):
            mine += [task.id for task in claimed]
        return mine

    claims = await asyncio.gather(*(work(database, f"worker-{n}") for n, database in enumerate([queue, other] * 2)))
    await other.close()
    everything = [task_id for mine in claims for task_id in mine]
    assert len(everything) == len(set(everything)) == 60


async def test_the_oldest_waits_least(queue: Database) -> None:
    await queue.write(lambda tx: fill(tx, 5))
    claimed = await queue.write(lambda tx: leases.claim(tx, Lease("w", "t", 60), at=NOW, limit=3))
    assert [task.id for task in claimed] == ["task_000", "task_001", "task_002"]
    assert {(task.status, task.owner, task.lease_token, task.lease_until, task.started_at) for task in claimed} == {
        (TaskStatus.IN_PROGRESS, "w", "t", NOW + 60, NOW)
    }


async def test_t12_a_key_runs_no_more_than_its_limit_and_holds_up_nobody_else(queue: Database) -> None:
    await queue.write(lambda tx: add_key(tx, "key_limited", concurrency=2))
    await queue.write(lambda tx: fill(tx, 6, prefix="task_a", key_id="key_limited"))
    await queue.write(lambda tx: fill(tx, 2, prefix="task_b", after=100))

    async def claim(token: str) -> tuple[Task, ...]:
        return await queue.write(lambda tx: leases.claim(tx, Lease("w", token, 60), at=NOW, limit=2))

    rounds = await asyncio.gather(*(claim(f"t{number}") for number in range(6)))
    claimed = sorted(task.id for tasks_of_one in rounds for task in tasks_of_one)
    assert [task_id for task_id in claimed if task_id.startswith("task_a")] == ["task_a000", "task_a001"]
    later = [task.id for task in await claim("later")] + claimed
    assert {"task_b000", "task_b001"} <= set(later), "others are not held up"
    running, waiting = await queue.read(lambda tx: tasks.count_unfinished(tx, "key_limited"))
    assert (running, waiting) == (2, 4)


async def test_an_expired_lease_moves_once_and_a_live_one_does_not(queue: Database) -> None:
    await queue.write(lambda tx: fill(tx, 1))
    await queue.write(lambda tx: leases.claim(tx, Lease("dead", "t1", 60), at=NOW))

    async def take_over(token: str, at: float) -> int:
        return len(await queue.write(lambda tx: leases.claim_expired(tx, Lease("alive", token, 60), at=at, limit=9)))

    assert await take_over("t2", NOW + 59) == 0
    assert sum(await asyncio.gather(*(take_over(f"t{number}", NOW + 60) for number in range(3, 9)))) == 1


async def test_renewing_keeps_a_task(queue: Database) -> None:
    await queue.write(lambda tx: fill(tx, 2))
    mine = Lease("mine", "t1", 60)
    await queue.write(lambda tx: leases.claim(tx, mine, at=NOW, limit=2))
    await queue.write(lambda tx: leases.renew(tx, "task_000", mine, at=NOW + 50))
    expired = await queue.write(lambda tx: leases.claim_expired(tx, Lease("x", "t2", 60), at=NOW + 70, limit=9))
    assert [task.id for task in expired] == ["task_001"]
    await queue.write(lambda tx: leases.renew_all(tx, owner="mine", seconds=60, at=NOW + 100))
    assert await queue.write(lambda tx: leases.claim_expired(tx, Lease("y", "t3", 60), at=NOW + 120, limit=9)) == ()


async def test_a_task_that_is_handed_back_is_claimed_again(queue: Database) -> None:
    await queue.write(lambda tx: fill(tx, 1))
    await queue.write(lambda tx: leases.claim(tx, Lease("a", "t1", 60), at=NOW))
    await queue.write(lambda tx: leases.hand_back(tx, "task_000", lease_token="t1"))
    (again,) = await queue.write(lambda tx: leases.claim(tx, Lease("b", "t2", 60), at=NOW + 5))
    assert (again.owner, again.started_at) == ("b", NOW)


async def test_l14_on_postgresql_leases_go_by_the_servers_clock(postgresql_copy: str) -> None:
    """H98: one's own may jump to 1970 and back."""
    database = await Database.open(postgresql_copy)
    await database.write(lambda tx: add_account(tx, units=100))
    server = await database.read(lambda tx: tx.execute(text("SELECT extract(epoch FROM now())::float8")).scalar_one())
    await database.write(lambda tx: admit(tx, a_task(deadline_at=server + 900)))
    (claimed,) = await database.write(lambda tx: leases.claim(tx, Lease("a", "t1", 60), at=0))
    assert claimed.lease_until is not None
    assert claimed.lease_until >= server + 60, "the caller's clock, which says 1970, is not asked"
    far = partial(leases.claim_expired, lease=Lease("b", "t2", 60), at=server + 86_400, limit=9)
    assert await database.write(far) == ()
    await database.close()


async def test_l5_a_lease_that_was_given_up_is_not_prolonged_by_the_heartbeat_of_who_gave_it_up(
    queue: Database,
) -> None:
    await queue.write(lambda tx: fill(tx, 2))
    await queue.write(lambda tx: leases.claim(tx, Lease("w", "t", 60), at=NOW, limit=2))
    await queue.write(lambda tx: leases.abandon(tx, "task_000", lease_token="t"))
    await queue.write(lambda tx: leases.renew_all(tx, owner="w", seconds=60, at=NOW + 10))
    taken = await queue.write(lambda tx: leases.claim_expired(tx, Lease("v", "u", 60), at=NOW + 15, limit=2))
    assert [task.id for task in taken] == ["task_000"]
