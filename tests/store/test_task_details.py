"""What each condition of a statement about tasks is for: whose, in which state. Found by faults no test noticed (K)."""

from functools import partial

import pytest
from sqlalchemy import Connection

from app.core.task import TaskStatus
from app.store import attempts, leases, tasks
from app.store.attempts import Attempt
from app.store.database import Database
from app.store.leases import Lease
from app.store.tasks import Finish, LeaseLost, Progress, Task
from tests.store.rows import NOW, a_task, add_account, admit

FAILED = Finish(TaskStatus.FAILED, error={"code": "upstream_error"})


@pytest.fixture
async def three(on_sqlite: Database) -> Database:
    """One task in progress, under the lease `t`, and two that wait."""

    def fill(tx: Connection) -> None:
        add_account(tx, units=10_000)
        admit(tx, a_task("task_0"))
        leases.claim(tx, Lease("w", "t", 60), at=NOW)
        admit(tx, a_task("task_1", created_at=NOW + 1))
        admit(tx, a_task("task_2", created_at=NOW + 2))

    await on_sqlite.write(fill)
    return on_sqlite


async def all_three(database: Database) -> list[Task]:
    """The tasks as they are, each found by its own id."""

    def read(tx: Connection) -> list[Task | None]:
        return [tasks.get(tx, f"task_{number}") for number in range(3)]

    found = [task for task in await database.read(read) if task is not None]
    assert [task.id for task in found] == ["task_0", "task_1", "task_2"]
    return found


def test_neither_prompt_nor_text_is_in_repr() -> None:
    assert "a mug" not in repr(a_task())
    assert "secret" not in repr(a_task(text="secret"))


async def test_one_task_ends_and_no_other(three: Database) -> None:
    await three.write(partial(tasks.set_progress, told=[Progress("task_0", "t", 40)]))
    await three.write(partial(tasks.finish, task_id="task_0", lease_token="t", outcome=FAILED, at=NOW))
    await three.write(partial(tasks.finish, task_id="task_1", lease_token=None, outcome=FAILED, at=NOW))
    told = [(task.status, task.progress, task.units, task.images_delivered) for task in await all_three(three)]
    assert told == [
        (TaskStatus.FAILED, 40, 0, 0),
        (TaskStatus.FAILED, 0, 0, 0),
        (TaskStatus.QUEUED, 0, 0, 0),
    ]


async def test_a_task_is_taken_in_to_wait_or_to_be_done_at_once(three: Database) -> None:
    busy = a_task("task_3", status=TaskStatus.IN_PROGRESS, owner="w", lease_token="u", lease_until=NOW + 60)
    await three.write(lambda tx: admit(tx, busy))
    assert await three.read(lambda tx: tasks.get(tx, "task_3")) == busy
    with pytest.raises(AssertionError):
        await three.write(lambda tx: admit(tx, a_task("task_4", status=TaskStatus.FAILED, finished_at=NOW)))


async def test_only_what_was_begun_succeeds(three: Database) -> None:
    done = Finish(TaskStatus.SUCCEEDED, units=10, images_delivered=1)
    with pytest.raises(AssertionError, match="does not go from queued to succeeded"):
        await three.write(partial(tasks.finish, task_id="task_1", lease_token=None, outcome=done, at=NOW))


async def test_t8_one_task_is_cancelled_and_no_other(three: Database) -> None:
    asked = await three.write(lambda tx: tasks.request_cancel(tx, "task_1"))
    assert asked is not None
    assert [task.cancel_requested for task in await all_three(three)] == [False, True, False]


@pytest.mark.parametrize(("task_id", "token"), [("task_0", "other"), ("task_1", "t"), ("task_none", "t")])
async def test_t4_a_lease_that_is_not_there_cannot_be_demanded(three: Database, task_id: str, token: str) -> None:
    with pytest.raises(LeaseLost):
        await three.write(lambda tx: tasks.demand_lease(tx, task_id, token))


async def test_t4_a_lease_that_is_demanded_tells_of_a_cancel(three: Database) -> None:
    assert await three.write(lambda tx: tasks.demand_lease(tx, "task_0", "t")) is False
    await three.write(lambda tx: tasks.request_cancel(tx, "task_0"))
    assert await three.write(lambda tx: tasks.demand_lease(tx, "task_0", "t")) is True


async def test_t5_what_is_at_work_is_not_swept_with_what_waits_too_long(three: Database) -> None:
    overdue = await three.write(lambda tx: tasks.overdue(tx, at=NOW + 900, limit=9))
    assert [task.id for task in overdue] == ["task_1", "task_2"]


async def test_t2_of_some_ids_those_are_told_that_are_there_and_have_not_ended(three: Database) -> None:
    await three.write(partial(tasks.finish, task_id="task_1", lease_token=None, outcome=FAILED, at=NOW))
    found = await three.read(lambda tx: tasks.unfinished(tx, ["task_none", "task_0", "task_1"]))
    assert found == {"task_0"}


async def test_a_list_knows_all_accounts_or_one_and_where_a_task_was_tried(three: Database) -> None:
    def fill(tx: Connection) -> None:
        add_account(tx, "acc_2", units=10_000)
        admit(tx, a_task("task_3", account_id="acc_2", key_id="key_2", created_at=NOW + 3))
        for number, vendor in enumerate(("one", "other")):
            attempts.intend(tx, Attempt(f"att_{number}", f"task_{number}", 0, 0, vendor, "m", 1, NOW))
        for number in range(20):
            admit(tx, a_task(f"old_{number:02}", created_at=NOW - 1 - number))

    await three.write(fill)
    first = await three.read(tasks.list_page)
    assert ([task.id for task in first.items[:2]], len(first.items)) == (["task_3", "task_2"], 20)
    rest = await three.read(lambda tx: tasks.list_page(tx, after=first.next_cursor))
    assert [task.id for task in rest.items] == ["old_16", "old_17", "old_18", "old_19"]
    tried = await three.read(lambda tx: tasks.list_page(tx, vendor="other"))
    assert [task.id for task in tried.items] == ["task_1"]
