"""What is kept beside the money: catalog revisions, changes, webhooks, pictures, processes and drains."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from app.core.errors import Conflict, InvalidRequest
from app.store import audit, catalog, fleet, media, outbox
from app.store.audit import Change
from app.store.catalog import Revision
from app.store.database import Database
from app.store.media import Media
from app.store.outbox import Delivery
from tests.store.rows import NOW, a_task, add_account, admit


@pytest.fixture
async def served(database: Database) -> Database:
    """A database with a task."""
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: admit(tx, a_task()))
    return database


def revision(n: int, document: str = "version: 1") -> Revision:
    return Revision(n, document, "yaml", "ops", None, NOW)


async def test_the_catalogs_newest_revision_is_in_force(database: Database) -> None:
    assert await database.read(catalog.latest) is None
    assert await database.read(catalog.latest_number) == 0
    for n in range(1, 4):
        await database.write(partial(catalog.append, revision=revision(n, f"document {n}")))
    latest = await database.read(catalog.latest)
    assert latest is not None
    assert (latest.n, latest.document) == (3, "document 3")
    assert await database.read(lambda tx: catalog.get(tx, 2)) == revision(2, "document 2")
    page = await database.read(lambda tx: catalog.list_page(tx, limit=2))
    assert [found.n for found in page.items] == [3, 2]
    rest = await database.read(lambda tx: catalog.list_page(tx, after=page.next_cursor, limit=2))
    assert [found.n for found in rest.items] == [1]
    with pytest.raises(InvalidRequest):
        await database.read(lambda tx: catalog.list_page(tx, after="x"))


async def test_of_two_who_edit_the_same_revision_one_is_told(database: Database) -> None:
    await database.write(lambda tx: catalog.append(tx, revision(1)))
    answers = await asyncio.gather(
        *(database.write(partial(catalog.append, revision=revision(2, f"by {n}"))) for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Conflict) for answer in answers) == 4
    with pytest.raises(Conflict):
        await database.write(lambda tx: catalog.append(tx, revision(9)))


async def test_changes_are_listed_newest_first_and_by_subject(database: Database) -> None:
    for number in range(3):
        change = Change(f"aud_{number}", NOW + number, "ops", "key.patch", f"key_{number % 2}", {"a": 1}, {"a": None})
        await database.write(partial(audit.record, change=change))
    page = await database.read(audit.list_page)
    assert [change.id for change in page.items] == ["aud_2", "aud_1", "aud_0"]
    assert (page.items[0].before, page.items[0].after) == ({"a": 1}, {"a": None})
    only = await database.read(lambda tx: audit.list_page(tx, subject="key_1"))
    assert [change.id for change in only.items] == ["aud_1"]


def delivery(delivery_id: str, at: float = NOW) -> Delivery:
    return Delivery(delivery_id, "task_1", "acc_1", "image.task.succeeded", "https://example.com", {"a": 1}, at, at)


async def test_t10_a_due_event_is_taken_by_one_sender_at_a_time(served: Database) -> None:
    for number in range(6):
        await served.write(partial(outbox.enqueue, delivery=delivery(f"msg_{number}", NOW + number)))

    async def take(at: float) -> list[str]:
        taken = await served.write(lambda tx: outbox.take_due(tx, at=at, seconds=60, limit=2))
        return [event.id for event in taken]

    rounds = await asyncio.gather(*(take(NOW + 4) for _ in range(5)))
    assert sorted(event for events in rounds for event in events) == [f"msg_{number}" for number in range(5)]
    assert await take(NOW + 4) == []
    assert await take(NOW + 5) == ["msg_5"]
    assert len(await take(NOW + 64)) == 2, "a sender that died does not keep an event"


async def test_t10_an_event_is_tried_again_until_it_is_received(served: Database) -> None:
    await served.write(lambda tx: outbox.enqueue(tx, delivery("msg_1")))
    take = partial(outbox.take_due, seconds=60, limit=9)
    await served.write(partial(take, at=NOW))
    await served.write(lambda tx: outbox.retry(tx, "msg_1", status=500, at=NOW, delay_s=30))
    assert await served.write(partial(take, at=NOW + 29)) == ()
    (again,) = await served.write(partial(take, at=NOW + 30))
    assert (again.id, again.attempts, again.last_status) == ("msg_1", 2, 500)
    await served.write(lambda tx: outbox.mark_delivered(tx, "msg_1", status=204, at=NOW + 31))
    assert await served.write(partial(take, at=NOW + 9_999)) == ()
    repeated = await served.write(lambda tx: outbox.redeliver(tx, "msg_1", at=NOW + 9_999))
    assert repeated is not None
    assert (repeated.state, repeated.attempts) == ("pending", 0)
    await served.write(lambda tx: outbox.give_up(tx, "msg_1", status=None))
    assert await served.write(partial(take, at=NOW + 99_999)) == ()
    failed = await served.read(lambda tx: outbox.list_page(tx, state="failed"))
    assert [event.id for event in failed.items] == ["msg_1"]


def picture(media_id: str, position: int, **values: float) -> Media:
    row = Media(media_id, "task_1", "acc_1", "output", position, "image/png", "png", 8, 9, 99, "00", NOW, NOW + 9)
    return replace(row, **values)  # type: ignore[arg-type] # times only


async def test_pictures_are_in_their_tasks_order(served: Database) -> None:
    rows = [picture("med_b", 1), picture("med_a", 0), replace(picture("med_i", 0), role="input")]
    await served.write(lambda tx: media.insert_all(tx, rows))
    await served.write(lambda tx: media.insert_all(tx, []))
    found = await served.read(lambda tx: media.list_for_task(tx, "task_1"))
    assert [row.id for row in found] == ["med_a", "med_b"]
    assert await served.read(lambda tx: media.list_for_tasks(tx, ["task_1", "task_2"])) == {"task_1": found}
    assert await served.read(lambda tx: media.get(tx, "med_b")) == rows[0]


async def test_an_erased_picture_stays_known(served: Database) -> None:
    await served.write(lambda tx: media.insert_all(tx, [picture("med_a", 0), picture("med_b", 1, expires_at=NOW + 99)]))
    assert await served.read(lambda tx: media.expired(tx, at=NOW + 8, limit=9)) == ()
    (old,) = await served.read(lambda tx: media.expired(tx, at=NOW + 9, limit=9))
    await served.write(lambda tx: media.mark_erased(tx, [old.id], at=NOW + 10))
    assert await served.read(lambda tx: media.expired(tx, at=NOW + 9, limit=9)) == ()
    erased = await served.read(lambda tx: media.get(tx, "med_a"))
    assert erased is not None
    assert erased.erased_at == NOW + 10


async def test_a_process_is_known_from_its_first_heartbeat_until_it_leaves(database: Database) -> None:
    await database.write(lambda tx: fleet.heartbeat(tx, "p1", at=NOW))
    await database.write(lambda tx: fleet.heartbeat(tx, "p1", at=NOW + 10))
    (process,) = await database.read(fleet.processes)
    assert (process.started_at, process.heartbeat_at) == (NOW, NOW + 10)
    await database.write(lambda tx: fleet.leave(tx, "p1"))
    assert await database.read(fleet.processes) == ()


async def test_a_drain_is_seen_everywhere_until_it_ends(database: Database) -> None:
    for _ in range(2):
        await database.write(lambda tx: fleet.drain(tx, "a-vendor", actor="ops", at=NOW))
    assert await database.read(fleet.drained) == {"a-vendor"}
    await database.write(lambda tx: fleet.undrain(tx, "a-vendor"))
    assert await database.read(fleet.drained) == frozenset()
