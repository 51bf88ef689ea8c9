"""What each condition of a statement about attempts is for: which one, in which state. Found by faults (K)."""

import pytest
from sqlalchemy import Connection

from app.core.attempt import AttemptState
from app.store import attempts
from app.store.attempts import Attempt, AttemptMoved, Result
from app.store.database import Database
from tests.store.rows import NOW, a_task, add_account, admit

LOST = Result(AttemptState.UNKNOWN, failure="cut", exposure_units=9)


def try_at(tx: Connection, attempt_id: str, task_id: str, *, state: AttemptState = AttemptState.INTENDED) -> None:
    attempts.intend(tx, Attempt(attempt_id, task_id, 0, int(attempt_id[-2:]), "v", "m", 1, NOW, state))


@pytest.fixture
async def two(on_sqlite: Database) -> Database:
    """Two tasks with an attempt each: one intended, one sent."""

    def fill(tx: Connection) -> None:
        add_account(tx, units=1_000)
        for number, state in enumerate((AttemptState.INTENDED, AttemptState.SENT)):
            admit(tx, a_task(f"task_{number}"))
            try_at(tx, f"att_{number:02}", f"task_{number}", state=state)

    await on_sqlite.write(fill)
    return on_sqlite


async def test_an_attempt_has_cost_and_brought_nothing_until_it_is_said(two: Database) -> None:
    await two.write(lambda tx: attempts.resolve(tx, "att_00", Result(AttemptState.REFUSED), at=NOW))
    for attempt_id, state in (("att_00", AttemptState.REFUSED), ("att_01", AttemptState.SENT)):
        found = await two.read(lambda tx, at=attempt_id: attempts.get(tx, at))  # type: ignore[misc]  # bound at once
        assert found is not None
        assert (found.id, found.state) == (attempt_id, state), "one is resolved, and no other"
        assert (found.images_delivered, found.cost_units, found.exposure_units) == (0, 0, 0)
    assert await two.read(lambda tx: attempts.get(tx, "att_none")) is None


async def test_what_has_ended_is_not_begun(two: Database) -> None:
    with pytest.raises(AssertionError):
        await two.write(lambda tx: try_at(tx, "att_05", "task_1", state=AttemptState.ACCEPTED))


async def test_a_task_lists_its_own_attempts(two: Database) -> None:
    await two.write(lambda tx: try_at(tx, "att_02", "task_1"))
    listed = await two.read(lambda tx: attempts.list_for_task(tx, "task_1"))
    assert [attempt.id for attempt in listed] == ["att_01", "att_02"]


async def test_l11_accepted_work_is_accepted_under_one_handle(two: Database) -> None:
    await two.write(lambda tx: attempts.store_handle(tx, "att_01", handle="vendor-1"))
    with pytest.raises(AttemptMoved):
        await two.write(lambda tx: attempts.store_handle(tx, "att_01", handle="vendor-2"))


async def test_l12_twenty_unknown_attempts_are_a_page_and_what_is_known_is_not_in_it(two: Database) -> None:
    def lose(tx: Connection) -> None:
        for number in range(10, 31):
            try_at(tx, f"att_{number}", "task_0", state=AttemptState.SENT)
            attempts.resolve(tx, f"att_{number}", LOST, at=NOW)

    await two.write(lose)
    page = await two.read(attempts.list_unknown)
    assert ([attempt.state for attempt in page.items], page.has_more) == ([AttemptState.UNKNOWN] * 20, True)
    rest = await two.read(lambda tx: attempts.list_unknown(tx, after=page.next_cursor))
    assert [attempt.id for attempt in rest.items] == ["att_10"]
