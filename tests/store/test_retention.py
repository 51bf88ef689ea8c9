"""What is old is removed with all that belongs to it; what is owed, kept, pending or of the ledger is not."""

from functools import partial

import pytest
from sqlalchemy import make_url, select

from app.store import ledger, tasks
from app.store.database import Database
from app.store.ledger_verify import verify
from app.store.postgresql import create_postgresql_engine
from app.store.retention import Before, Pruned, prunable, prune, take_turn
from app.store.tables import chats
from tests.store.old_rows import DAY, fill
from tests.store.rows import NOW

ALL = Before(tasks=NOW + DAY, chats=NOW + DAY, audit=NOW + DAY)


@pytest.fixture
async def stocked(database: Database) -> Database:
    await database.write(fill)
    return database


async def test_only_what_is_old_and_over_is_removed_and_the_books_stay_right(stocked: Database) -> None:
    entries = (await stocked.read(partial(ledger.entries, limit=100))).items
    foreseen = await stocked.read(partial(prunable, before=ALL))
    batches = []
    while batch := await stocked.write(partial(prune, before=ALL, limit=2)):
        batches.append(batch)
    removed = sum(batches, Pruned())
    assert removed == foreseen == Pruned(3, 3, 3, 3, 1, 1)
    assert [batch.tasks for batch in batches] == [2, 1]
    left = {task.id for task in (await stocked.read(partial(tasks.list_page, limit=100))).items}
    assert left == {"task_unknown", "task_kept", "task_young", "task_open", "task_pending"}
    assert set(await stocked.read(lambda tx: tx.execute(select(chats.c.id)).scalars().all())) == {
        "chat_owed",
        "chat_young",
    }
    assert (await stocked.read(partial(ledger.entries, limit=100))).items == entries
    assert (await stocked.read(verify)).ok


@pytest.mark.parametrize(
    ("before", "removed"),
    [
        (Before(tasks=NOW + DAY), Pruned(tasks=3, attempts=3, media=3, webhook_deliveries=3)),
        (Before(chats=NOW + DAY), Pruned(chats=1)),
        (Before(audit=NOW + DAY), Pruned(audit=1)),
        (Before(), Pruned()),
    ],
)
async def test_each_kind_has_a_time_of_its_own(stocked: Database, before: Before, removed: Pruned) -> None:
    assert await stocked.read(partial(prunable, before=before)) == removed
    assert await stocked.write(partial(prune, before=before, limit=100)) == removed


async def test_of_all_processes_one_removes_at_a_time(postgresql_copy: str) -> None:
    engine, database = create_postgresql_engine(make_url(postgresql_copy), pool_size=1, limits={}), None
    try:
        database = await Database.open(postgresql_copy)
        async with engine.begin() as other:
            assert await other.run_sync(take_turn)
            assert not await database.write(take_turn)
        assert await database.write(take_turn)
    finally:
        await engine.dispose()
        if database is not None:
            await database.close()


async def test_what_another_transaction_removes_now_is_left_to_it(postgresql_copy: str) -> None:
    engine, database = create_postgresql_engine(make_url(postgresql_copy), pool_size=1, limits={}), None
    try:
        database = await Database.open(postgresql_copy)
        await database.write(fill)
        async with engine.begin() as other:
            first = await other.run_sync(partial(prune, before=ALL, limit=2))
            assert (first.tasks, await database.write(partial(prune, before=ALL, limit=2))) == (2, Pruned(1, 1, 1, 1))
    finally:
        await engine.dispose()
        if database is not None:
            await database.close()
