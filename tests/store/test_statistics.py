"""What operators watch, summed from rows on both databases."""

from sqlalchemy import Connection

from app.core.attempt import AttemptState
from app.store import attempts, fleet, ledger, outbox
from app.store.attempts import Attempt, Result
from app.store.database import Database
from app.store.outbox import Delivery
from app.store.statistics import kept_pictures, open_holds, statistics
from tests.store.rows import NOW, a_task, add_account, admit, hold


def unknown_attempt(tx: Connection, task_id: str, exposure_units: int) -> None:
    attempt = Attempt(f"att_{task_id}", task_id, 0, 0, "painter", "pic", images_asked=1, created_at=NOW)
    attempts.intend(tx, attempt)
    attempts.mark_sent(tx, attempt.id, at=NOW)
    result = Result(AttemptState.UNKNOWN, failure="cut", exposure_units=exposure_units)
    attempts.resolve(tx, attempt.id, result, at=NOW)


async def test_what_waits_is_counted_with_the_age_of_the_oldest(database: Database) -> None:
    def rows(tx: Connection) -> None:
        add_account(tx, units=100)
        for number in (3, 1, 2):
            admit(tx, a_task(f"task_{number}", created_at=NOW + number))
        event = Delivery("msg_1", "task_1", "acc_1", "e", "https://a.example", {}, next_at=NOW, created_at=NOW + 5)
        outbox.enqueue(tx, event)
        fleet.heartbeat(tx, "prc_1", at=NOW)
        unknown_attempt(tx, "task_1", exposure_units=7)
        unknown_attempt(tx, "task_2", exposure_units=5)

    await database.write(rows)
    found = await database.read(statistics)
    assert (found.queued, found.in_progress, found.oldest_queued_at) == (3, 0, NOW + 1)
    assert (found.held_units, found.unknown_attempts, dict(found.exposure_units)) == (30, 2, {"painter": 12})
    assert (found.webhooks_pending, found.oldest_webhook_at, found.heartbeats_at) == (1, NOW + 5, (NOW,))


async def test_an_empty_database_has_nothing(database: Database) -> None:
    found = await database.read(statistics)
    assert (found.queued, found.oldest_queued_at, found.held_units, found.oldest_webhook_at) == (0, None, 0, None)
    assert await database.read(kept_pictures) == (0, 0)
    holds = await database.read(lambda tx: open_holds(tx, resolved_to=0, settled_before=NOW))
    assert (holds.count, holds.oldest_at, holds.resolved_to) == (0, None, 0)


async def test_what_was_resolved_is_not_read_again(database: Database) -> None:
    def rows(tx: Connection) -> None:
        add_account(tx, units=100)
        hold(tx, "a", 1, at=NOW)
        hold(tx, "b", 1, at=NOW + 1)
        hold(tx, "c", 1, at=NOW + 2)
        ledger.capture(tx, charge_id="a", units=1, at=NOW + 3)
        ledger.capture(tx, charge_id="c", units=1, at=NOW + 3)

    await database.write(rows)
    first = await database.read(lambda tx: open_holds(tx, resolved_to=0, settled_before=NOW + 9))
    assert (first.count, first.oldest_at) == (1, NOW + 1)
    again = await database.read(lambda tx: open_holds(tx, resolved_to=first.resolved_to, settled_before=NOW + 9))
    assert again == first
    await database.write(lambda tx: ledger.release(tx, charge_id="b", reason="test", at=NOW + 4))
    after = await database.read(lambda tx: open_holds(tx, resolved_to=first.resolved_to, settled_before=NOW + 9))
    assert (after.count, after.oldest_at) == (0, None)
    assert after.resolved_to > first.resolved_to


async def test_a_hold_that_may_yet_appear_is_not_passed_over(database: Database) -> None:
    """A sequence is given out before its commit: what is young is looked at again."""

    def rows(tx: Connection) -> None:
        add_account(tx, units=100)
        hold(tx, "a", 1, at=NOW + 50)
        ledger.capture(tx, charge_id="a", units=1, at=NOW + 50)
        hold(tx, "b", 1, at=NOW + 51)

    await database.write(rows)
    found = await database.read(lambda tx: open_holds(tx, resolved_to=0, settled_before=NOW + 10))
    # The grant is older than that, the holds are not.
    assert (found.count, found.resolved_to) == (1, 1)
