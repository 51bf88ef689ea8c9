"""Tasks: found by their owner alone, paged, ended once, and never moved back."""

from functools import partial

import pytest
from sqlalchemy import Connection

from app.core.errors import InvalidRequest
from app.core.task import TaskStatus
from app.store import attempts, leases, tasks
from app.store.attempts import Attempt
from app.store.database import Database
from app.store.leases import Lease
from app.store.sql import Page
from app.store.tasks import Finish, LeaseLost, Progress, Task
from tests.store.rows import NOW, a_task, add_account, admit

MINE = Lease("process-1", "token-1", 60)


@pytest.fixture
async def stocked(database: Database) -> Database:
    """A database with two accounts that can pay."""
    await database.write(lambda tx: add_account(tx, units=10_000))
    await database.write(lambda tx: add_account(tx, "acc_2", units=10_000))
    return database


async def the_task(database: Database, task_id: str = "task_1") -> Task:
    task = await database.read(lambda tx: tasks.get(tx, task_id))
    assert task is not None
    return task


async def test_a_task_is_read_as_it_was_written(stocked: Database) -> None:
    task = a_task(warnings=({"code": "ignored"},), user_metadata={"k": "é"}, webhook_url="https://example.com")
    await stocked.write(lambda tx: admit(tx, task))
    assert await the_task(stocked) == task


async def test_t9_another_accounts_task_is_unknown(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task()))
    assert await stocked.read(lambda tx: tasks.get(tx, "task_1", account_id="acc_1")) is not None
    assert await stocked.read(lambda tx: tasks.get(tx, "task_1", account_id="acc_2")) is None
    assert await stocked.write(lambda tx: tasks.request_cancel(tx, "task_1", account_id="acc_2")) is None
    assert not (await the_task(stocked)).cancel_requested


def the_page(tx: Connection, *, after: str | None) -> Page[Task]:
    return tasks.list_page(tx, account_id="acc_1", after=after, limit=2)


async def test_a_list_is_newest_first_and_a_cursor_goes_on_where_it_ended(stocked: Database) -> None:
    for number in range(5):  # two and two at the same instant: the id decides
        await stocked.write(partial(admit, task=a_task(f"task_{number}", created_at=NOW + number // 2)))
    await stocked.write(lambda tx: admit(tx, a_task("task_x", account_id="acc_2", key_id="key_2")))
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = await stocked.read(partial(the_page, after=after))
        seen += [task.id for task in page.items]
        after = page.next_cursor
    assert seen == ["task_4", "task_3", "task_2", "task_1", "task_0"]
    assert after is None


async def test_a_task_that_arrives_between_pages_moves_nothing(stocked: Database) -> None:
    for number in range(4):
        await stocked.write(partial(admit, task=a_task(f"task_{number}", created_at=NOW + number)))
    first = await stocked.read(partial(the_page, after=None))
    await stocked.write(lambda tx: admit(tx, a_task("task_9", created_at=NOW + 9)))
    second = await stocked.read(partial(the_page, after=first.next_cursor))
    assert [task.id for task in second.items] == ["task_1", "task_0"]


@pytest.mark.parametrize("after", ["task_none", "task_x"])
async def test_a_cursor_of_another_account_is_no_cursor(stocked: Database, after: str) -> None:
    await stocked.write(lambda tx: admit(tx, a_task("task_x", account_id="acc_2", key_id="key_2")))
    with pytest.raises(InvalidRequest, match="after"):
        await stocked.read(lambda tx: tasks.list_page(tx, account_id="acc_1", after=after))


async def test_a_list_is_filtered_by_status_model_key_and_vendor(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task("task_1", model="a")))
    await stocked.write(lambda tx: admit(tx, a_task("task_2", model="b")))
    await stocked.write(lambda tx: attempts.intend(tx, Attempt("att_1", "task_2", 0, 0, "v", "m", 1, NOW)))
    await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW))

    async def ids(**filters: object) -> list[str]:
        page = await stocked.read(lambda tx: tasks.list_page(tx, **filters))  # type: ignore[arg-type] # one name each
        return [task.id for task in page.items]

    assert await ids(model="b") == ["task_2"]
    assert await ids(vendor="v") == ["task_2"]
    assert await ids(status=TaskStatus.IN_PROGRESS) == ["task_1"]
    assert await ids(key_id="key_2") == []


async def test_t1_a_finished_task_never_changes(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task()))
    await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW))
    done = Finish(TaskStatus.SUCCEEDED, units=10, images_delivered=1, usage={"total_tokens": 3}, text="a\0b\ud800")
    await stocked.write(lambda tx: tasks.finish(tx, "task_1", lease_token="token-1", outcome=done, at=NOW + 9))
    finished = await the_task(stocked)
    assert (finished.status, finished.progress, finished.finished_at) == (TaskStatus.SUCCEEDED, 100, NOW + 9)
    assert finished.text == "a\ufffdb?", "what PostgreSQL cannot hold is replaced"
    for token in ("token-1", None):
        with pytest.raises(LeaseLost):
            await stocked.write(
                partial(tasks.finish, task_id="task_1", lease_token=token, outcome=Finish(TaskStatus.FAILED), at=NOW)
            )
    await stocked.write(lambda tx: tasks.set_progress(tx, [Progress("task_1", "token-1", 5)]))
    await stocked.write(lambda tx: tasks.request_cancel(tx, "task_1"))
    assert await the_task(stocked) == finished


async def test_t4_a_write_without_the_current_lease_hits_nothing(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task()))
    await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW))
    await stocked.write(lambda tx: leases.claim_expired(tx, Lease("process-2", "token-2", 60), at=NOW + 61))
    outcome = Finish(TaskStatus.SUCCEEDED, units=10, images_delivered=1)
    with pytest.raises(LeaseLost):
        await stocked.write(lambda tx: tasks.finish(tx, "task_1", lease_token="token-1", outcome=outcome, at=NOW))
    with pytest.raises(LeaseLost):
        await stocked.write(lambda tx: leases.renew(tx, "task_1", MINE, at=NOW))
    with pytest.raises(LeaseLost):
        await stocked.write(lambda tx: leases.hand_back(tx, "task_1", lease_token="token-1"))
    await stocked.write(lambda tx: tasks.set_progress(tx, [Progress("task_1", "token-1", 50)]))
    task = await the_task(stocked)
    assert (task.status, task.owner, task.progress) == (TaskStatus.IN_PROGRESS, "process-2", 0)


async def test_t8_a_queued_task_is_cancelled_or_claimed_never_both(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task()))
    await stocked.write(
        lambda tx: tasks.finish(tx, "task_1", lease_token=None, outcome=Finish(TaskStatus.CANCELLED), at=NOW)
    )
    assert await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW)) == ()


async def test_a_cancel_reaches_the_worker_when_it_renews(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task()))
    await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW))
    assert await stocked.write(lambda tx: leases.renew(tx, "task_1", MINE, at=NOW)) is False
    asked = await stocked.write(lambda tx: tasks.request_cancel(tx, "task_1", account_id="acc_1"))
    assert asked is not None
    assert asked.status is TaskStatus.IN_PROGRESS
    assert await stocked.write(lambda tx: leases.renew(tx, "task_1", MINE, at=NOW)) is True
    assert await stocked.write(lambda tx: leases.renew_all(tx, owner="process-1", seconds=60, at=NOW)) == {"task_1"}


async def test_progress_never_goes_back(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task()))
    await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW))
    for progress in (40, 10, 40, 60):
        await stocked.write(partial(tasks.set_progress, told=[Progress("task_1", "token-1", progress)]))
        assert (await the_task(stocked)).progress == max(40, progress)


async def test_t5_a_queued_task_past_its_deadline_is_swept_and_not_claimed(stocked: Database) -> None:
    await stocked.write(lambda tx: admit(tx, a_task(deadline_at=NOW + 5)))
    assert await stocked.write(lambda tx: tasks.overdue(tx, at=NOW + 4, limit=9)) == ()
    assert await stocked.write(lambda tx: leases.claim(tx, MINE, at=NOW + 5)) == ()
    (overdue,) = await stocked.write(lambda tx: tasks.overdue(tx, at=NOW + 5, limit=9))
    assert overdue.id == "task_1"
