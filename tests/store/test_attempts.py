"""Attempts move only as their transition table allows, and what was possibly paid stays on record."""

import itertools

import pytest

from app.core.attempt import ATTEMPT_TRANSITIONS, AttemptState
from app.store import attempts
from app.store.attempts import Attempt, AttemptMoved, Result
from app.store.database import Database
from tests.store.rows import NOW, a_task, add_account, admit


@pytest.fixture
async def tried(database: Database) -> Database:
    """A database with a task that has one attempt, intended."""
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: admit(tx, a_task()))
    await database.write(lambda tx: attempts.intend(tx, Attempt("att_1", "task_1", 0, 0, "a-vendor", "m", 1, NOW)))
    return database


async def the_attempt(database: Database) -> Attempt:
    found = await database.read(lambda tx: attempts.get(tx, "att_1"))
    assert found is not None
    return found


async def move(database: Database, to: AttemptState) -> None:
    if to is AttemptState.SENT:
        await database.write(lambda tx: attempts.mark_sent(tx, "att_1", at=NOW + 1))
    else:
        await database.write(lambda tx: attempts.resolve(tx, "att_1", Result(to), at=NOW + 2))


PATHS = {
    AttemptState.INTENDED: (),
    AttemptState.SENT: (AttemptState.SENT,),
    AttemptState.ACCEPTED: (AttemptState.SENT, AttemptState.ACCEPTED),
    AttemptState.REFUSED: (AttemptState.REFUSED,),
    AttemptState.UNKNOWN: (AttemptState.SENT, AttemptState.UNKNOWN),
}


@pytest.mark.parametrize(
    ("start", "to"),
    [
        (start, to)
        for start, to in itertools.product(AttemptState, AttemptState)
        if to is not AttemptState.INTENDED and to not in ATTEMPT_TRANSITIONS[start]
    ],
)
async def test_a_transition_that_the_table_does_not_have_is_refused(
    tried: Database, start: AttemptState, to: AttemptState
) -> None:
    for step in PATHS[start]:
        await move(tried, step)
    before = await the_attempt(tried)
    with pytest.raises(AttemptMoved):
        await move(tried, to)
    assert await the_attempt(tried) == before


async def test_l12_an_operator_resolves_an_unknown_attempt_once(tried: Database) -> None:
    await move(tried, AttemptState.SENT)
    unknown = Result(AttemptState.UNKNOWN, failure="timed_out", exposure_units=9)
    await tried.write(lambda tx: attempts.resolve(tx, "att_1", unknown, at=NOW))
    assert await tried.read(attempts.exposure_by_vendor) == {"a-vendor": 9}
    assert [attempt.id for attempt in (await tried.read(attempts.list_unknown)).items] == ["att_1"]
    billed = Result(AttemptState.ACCEPTED, failure="timed_out", cost_units=9)
    await tried.write(lambda tx: attempts.resolve(tx, "att_1", billed, at=NOW))
    assert await tried.read(attempts.exposure_by_vendor) == {}
    with pytest.raises(AttemptMoved):
        await tried.write(lambda tx: attempts.resolve(tx, "att_1", unknown, at=NOW))


async def test_accepted_work_keeps_its_handle_and_ends_once(tried: Database) -> None:
    await move(tried, AttemptState.SENT)
    await tried.write(lambda tx: attempts.store_handle(tx, "att_1", handle="vendor-7"))
    drawn = Result(AttemptState.ACCEPTED, images_delivered=1, http_status=200, cost_units=5, detail="ok\0")
    await tried.write(lambda tx: attempts.resolve(tx, "att_1", drawn, at=NOW + 3))
    (attempt,) = await tried.read(lambda tx: attempts.list_for_task(tx, "task_1"))
    assert (attempt.handle, attempt.images_delivered, attempt.cost_units) == ("vendor-7", 1, 5)
    assert (attempt.sent_at, attempt.finished_at, attempt.detail) == (NOW + 1, NOW + 3, "ok\ufffd")
    with pytest.raises(AttemptMoved):
        await tried.write(lambda tx: attempts.resolve(tx, "att_1", drawn, at=NOW + 4))
