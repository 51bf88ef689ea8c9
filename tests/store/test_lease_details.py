"""What each condition of a lease is for: whose, in which state, how many. Found by faults that no test noticed (K)."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, update

from app.core.task import TaskStatus
from app.store import leases, tables, tasks
from app.store.database import Database
from app.store.leases import Lease
from app.store.tasks import Task
from tests.store.rows import NOW, a_task, add_account, add_key, admit


@pytest.fixture
async def queue(database: Database) -> Database:
    """A database with an account that can pay, and keys with a limit of their own."""

    def fill(tx: Connection) -> None:
        add_account(tx, units=10_000)
        add_key(tx, "key_two", concurrency=2)
        add_key(tx, "key_five", concurrency=5)

    await database.write(fill)
    return database


def wait(tx: Connection, key_id: str, count: int, *, after: float = 0) -> None:
    """So many queued tasks of a key, one a second."""
    for number in range(count):
        admit(tx, a_task(f"{key_id}_{after:03.0f}_{number}", key_id=key_id, created_at=NOW + after + number))


def working(tx: Connection, task_id: str, owner: str, *, until: float = 60, **said: object) -> None:
    """A task that a process works on."""
    admit(tx, a_task(task_id))
    values = {"status": "in_progress", "owner": owner, "lease_token": f"t-{task_id}", "lease_until": NOW + until}
    tx.execute(update(tables.tasks).where(tables.tasks.c.id == task_id).values(**values, **said))


def end(tx: Connection, task_id: str) -> None:
    """Ends a task; who had it stays written there."""
    over = {"status": "failed", "error": {}, "finished_at": NOW, "lease_token": None, "lease_until": None}
    tx.execute(update(tables.tasks).where(tables.tasks.c.id == task_id).values(**over))


async def claim(database: Database, limit: int, **said: int) -> list[str]:
    """What one claim takes, in its order."""
    taken = await database.write(lambda tx: leases.claim(tx, Lease("w", "t", 60), at=NOW, limit=limit, **said))
    return [task.id for task in taken]


async def of(database: Database, *task_ids: str) -> Sequence[Task]:
    """Those tasks as they are."""
    found = [await database.read(lambda tx, at=task_id: tasks.get(tx, at)) for task_id in task_ids]  # type: ignore[misc]  # bound at once
    return [task for task in found if task is not None]


async def test_t12_one_claim_of_many_takes_no_more_than_each_key_may_have(queue: Database) -> None:
    """The second key's tasks come between the first's, so that the order is seen to be kept."""
    await queue.write(lambda tx: wait(tx, "key_two", 4))
    await queue.write(lambda tx: wait(tx, "key_1", 2, after=1.5))
    taken = await claim(queue, 10)
    assert [task_id for task_id in taken if "two" in task_id] == ["key_two_000_0", "key_two_000_1"]
    assert len([task_id for task_id in taken if "key_1" in task_id]) == 2
    assert taken == [task.id for task in sorted(await of(queue, *taken), key=lambda task: task.created_at)]
    assert await claim(queue, 10) == []


async def test_t12_what_runs_already_counts_and_what_has_ended_does_not(queue: Database) -> None:
    await queue.write(lambda tx: wait(tx, "key_two", 1))
    await claim(queue, 1)
    await queue.write(lambda tx: wait(tx, "key_two", 3, after=10))
    await queue.write(lambda tx: wait(tx, "key_five", 3, after=20))
    assert await claim(queue, 10) == ["key_two_010_0", "key_five_020_0", "key_five_020_1", "key_five_020_2"]
    await queue.write(lambda tx: end(tx, "key_two_000_0"))
    assert await claim(queue, 10) == ["key_two_010_1"]


async def test_t12_the_default_is_for_keys_that_do_not_say(queue: Database) -> None:
    await queue.write(lambda tx: wait(tx, "key_1", 5))
    await queue.write(lambda tx: wait(tx, "key_two", 5, after=10))
    await queue.write(lambda tx: wait(tx, "key_five", 5, after=20))
    taken = await claim(queue, 20, default_concurrency=3)
    counts = {key: sum(task_id.startswith(key) for task_id in taken) for key in ("key_1", "key_two", "key_five")}
    assert counts == {"key_1": 3, "key_two": 2, "key_five": 5}
    assert await claim(queue, 20, default_concurrency=3) == []
    assert len(await claim(queue, 20, default_concurrency=4)) == 1


async def test_a_task_at_its_deadline_is_not_begun(queue: Database) -> None:
    await queue.write(lambda tx: admit(tx, a_task("task_late", deadline_at=NOW)))
    await queue.write(lambda tx: admit(tx, a_task("task_in_time", deadline_at=NOW + 1)))
    assert await claim(queue, 10) == ["task_in_time"]


async def test_a_process_renews_its_own_leases_and_hears_of_its_own_cancels(queue: Database) -> None:
    def fill(tx: Connection) -> None:
        working(tx, "task_mine", "me")
        working(tx, "task_cancelled", "me", cancel_requested=True)
        working(tx, "task_theirs", "they", cancel_requested=True)
        working(tx, "task_over", "me", cancel_requested=True)
        end(tx, "task_over")

    await queue.write(fill)
    told = await queue.write(lambda tx: leases.renew_all(tx, owner="me", seconds=100, at=NOW + 5))
    assert told == {"task_cancelled"}
    found = await of(queue, "task_mine", "task_cancelled", "task_theirs", "task_over")
    assert [task.lease_until for task in found] == [NOW + 105, NOW + 105, NOW + 60, None]


async def test_a_process_that_leaves_gives_up_its_own_unfinished_tasks_and_no_others(queue: Database) -> None:
    def fill(tx: Connection) -> None:
        working(tx, "task_mine", "me")
        working(tx, "task_theirs", "they")
        working(tx, "task_over", "me")
        end(tx, "task_over")

    await queue.write(fill)
    await queue.write(lambda tx: leases.abandon_all(tx, owner="me"))
    mine, theirs, over = await of(queue, "task_mine", "task_theirs", "task_over")
    assert (mine.owner, mine.lease_until) == (None, 0.0)
    assert (theirs.owner, theirs.lease_until) == ("they", NOW + 60)
    assert over.lease_until is None
    orphans = await queue.write(lambda tx: leases.claim_expired(tx, Lease("w", "t", 60), at=NOW, limit=10))
    assert [task.id for task in orphans] == ["task_mine"]


async def test_t4_one_lease_is_given_up_by_its_token_alone(queue: Database) -> None:
    await queue.write(lambda tx: working(tx, "task_mine", "me"))
    await queue.write(lambda tx: leases.abandon(tx, "task_mine", lease_token="another"))
    assert (await of(queue, "task_mine"))[0].lease_until == NOW + 60
    await queue.write(lambda tx: leases.abandon(tx, "task_mine", lease_token="t-task_mine"))
    [given_up] = await of(queue, "task_mine")
    assert (given_up.owner, given_up.lease_until, given_up.status) == (None, 0.0, TaskStatus.IN_PROGRESS)


async def test_orphans_are_taken_one_by_one_the_longest_lost_first(queue: Database) -> None:
    def fill(tx: Connection) -> None:
        working(tx, "task_a", "dead", until=-1)
        working(tx, "task_b", "dead", until=-5)
        working(tx, "task_c", "dead", until=0)
        working(tx, "task_d", "alive", until=0.5)

    await queue.write(fill)
    found = []
    for token in ("t1", "t2", "t3", "t4"):
        taken = await queue.write(lambda tx, at=token: leases.claim_expired(tx, Lease("w", at, 60), at=NOW))  # type: ignore[misc]  # bound at once
        found.append([task.id for task in taken])
    assert found == [["task_b"], ["task_a"], ["task_c"], []]
