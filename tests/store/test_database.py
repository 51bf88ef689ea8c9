"""Units of work: committed when they return, alone in their failure, and never half done."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.core.errors import Overloaded
from app.store import accounts
from app.store.accounts import Account
from app.store.database import Database
from app.store.sqlite import advice
from tests.store.rows import NOW
from tests.support.databases import administer

FULL = 2
"""SQLite's number for `synchronous = FULL`."""


class Broken(Exception):
    """What a failing unit raises."""


def adding(account_id: str, *, then: Exception | None = None) -> Callable[[Connection], str]:
    """A unit that adds an account, and then may fail."""

    def unit(tx: Connection) -> str:
        accounts.create(tx, Account(account_id, "Test", "prepaid", NOW))
        if then is not None:
            raise then
        return account_id

    return unit


async def stored(database: Database) -> set[str]:
    page = await database.read(lambda tx: accounts.list_page(tx, limit=1000))
    return {account.id for account in page.items}


async def test_a_failing_unit_harms_only_itself_among_many(database: Database) -> None:
    units = [adding(f"acc_{number}", then=Broken() if number % 10 == 3 else None) for number in range(100)]
    answers = await asyncio.gather(*(database.write(unit) for unit in units), return_exceptions=True)
    failed = {number for number, answer in enumerate(answers) if isinstance(answer, Broken)}
    assert failed == set(range(3, 100, 10))
    assert await stored(database) == {f"acc_{number}" for number in range(100) if number not in failed}


async def test_a_unit_that_breaks_a_constraint_harms_only_itself(database: Database) -> None:
    answers = await asyncio.gather(
        *(database.write(adding(account_id)) for account_id in ("acc_1", "acc_1", "acc_2")), return_exceptions=True
    )
    assert isinstance(answers[1], IntegrityError) or isinstance(answers[0], IntegrityError)
    assert await stored(database) == {"acc_1", "acc_2"}


def flushed(tx: Connection) -> bool:
    """Whether the commit of this transaction waits for the disk, as the database itself says."""
    if tx.dialect.name == "sqlite":
        return bool(tx.exec_driver_sql("PRAGMA synchronous").scalar() == FULL)
    return bool(tx.exec_driver_sql("SHOW synchronous_commit").scalar() == "on")


async def test_a_commit_waits_for_the_disk_unless_it_is_worth_nothing_without_a_later_one(database: Database) -> None:
    assert await database.write(flushed)
    assert not await database.write(flushed, flush=False)
    assert await database.write(flushed)


async def test_one_unit_that_must_reach_the_disk_takes_its_neighbours_with_it(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    together = [database.write(flushed), database.write(flushed, flush=False), database.write(flushed)]
    assert await asyncio.gather(*together) == [True] * 3
    await database.close()


async def test_what_needs_no_flush_waits_for_another_process_like_everything_else(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    other = sqlite3.connect(sqlite_url.partition("///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(database.write(adding("acc_1"), flush=False))
    assert not await stored(database)
    assert not waiting.done()
    other.execute("COMMIT")
    other.close()
    assert await waiting == "acc_1"
    assert await stored(database) == {"acc_1"}
    await database.close()


async def test_a_unit_that_needs_no_flush_and_fails_leaves_nothing(database: Database) -> None:
    with pytest.raises(Broken):
        await database.write(adding("acc_1", then=Broken()), flush=False)
    await database.write(adding("acc_2"), flush=False)
    assert await stored(database) == {"acc_2"}


async def test_a_file_that_cannot_be_opened_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with pytest.raises(Overloaded):
        await Database.open(f"sqlite+aiosqlite:///{tmp_path}/missing/a.db")
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("store-")]


async def test_what_a_write_returns_is_read_by_anyone_after_it(database: Database, database_url: str) -> None:
    other = await Database.open(database_url)
    for number in range(20):
        await database.write(adding(f"acc_{number}"))
        assert f"acc_{number}" in await stored(other)
    await other.close()


async def test_a_cancelled_caller_does_not_lose_the_commit(database_url: str) -> None:
    database = await Database.open(database_url)
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def unit(tx: Connection) -> None:
        adding("acc_1")(tx)
        loop.call_soon_threadsafe(began.set)
        if tx.dialect.name == "postgresql":
            tx.execute(text("SELECT pg_sleep(0.05)"))  # the cancellation arrives meanwhile

    caller = asyncio.ensure_future(database.write(unit))
    await began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await database.close()
    again = await Database.open(database_url)
    assert await stored(again) == {"acc_1"}
    await again.close()


async def test_closing_waits_for_what_was_asked(database_url: str) -> None:
    database = await Database.open(database_url)
    waiting = [asyncio.ensure_future(database.write(adding(f"acc_{number}"))) for number in range(50)]
    cancelled = asyncio.ensure_future(database.write(adding("acc_cancelled")))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    cancelled.cancel()
    await database.close()
    again = await Database.open(database_url)
    assert await stored(again) == {f"acc_{number}" for number in range(50)} | {"acc_cancelled"}
    await again.close()
    assert all(waiter.done() for waiter in waiting)


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(Overloaded):
        await database.read(adding("acc_1"))
    assert await stored(database) == set()


async def test_f8_a_locked_file_is_answered_503_and_recovers(sqlite_url: str) -> None:
    database = await Database.open(f"{sqlite_url}?timeout=0.05")
    other = sqlite3.connect(sqlite_url.partition("///")[2], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Overloaded) as refused:
        await database.write(adding("acc_1"))
    assert refused.value.code == "storage_unavailable"
    assert refused.value.retry_after_s is not None
    other.execute("ROLLBACK")
    other.close()
    await database.write(adding("acc_2"))
    assert await stored(database) == {"acc_2"}
    await database.close()


async def test_f8_connections_that_the_server_ended_are_replaced(postgresql_copy: str) -> None:
    database = await Database.open(postgresql_copy)
    await asyncio.gather(*(database.write(adding(f"acc_{number}")) for number in range(5)))
    name = postgresql_copy.rpartition("/")[2]
    await administer(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    await database.write(adding("acc_after"))
    assert "acc_after" in await stored(database)
    await database.close()


async def test_f8_a_connection_cut_inside_a_unit_is_answered_503(postgresql_copy: str) -> None:
    database = await Database.open(postgresql_copy)

    def cut(tx: Connection) -> None:
        adding("acc_1")(tx)
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Overloaded):
        await database.write(cut)
    assert await stored(database) == set()
    await database.close()


async def test_a_deadlock_is_retried(postgresql_copy: str) -> None:
    database = await Database.open(postgresql_copy)
    for account_id in ("acc_1", "acc_2"):
        await database.write(adding(account_id))

    def rename(first: str, second: str) -> Callable[[Connection], None]:
        def unit(tx: Connection) -> None:
            accounts.patch(tx, first, {"name": "one"})
            tx.execute(text("SELECT pg_sleep(0.05)"))
            accounts.patch(tx, second, {"name": "two"})

        return unit

    await asyncio.gather(database.write(rename("acc_1", "acc_2")), database.write(rename("acc_2", "acc_1")))
    await database.close()


async def test_a_server_that_is_not_there_is_answered_503() -> None:
    with pytest.raises(Overloaded):
        await Database.open("postgresql+asyncpg://postgres@127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["sqlite+aiosqlite://", "sqlite+aiosqlite:///:memory:", "mysql://localhost/x"])
async def test_only_a_file_or_postgresql_is_a_database(url: str) -> None:
    with pytest.raises(ValueError):
        await Database.open(url)


async def test_sqlite_is_durable_and_strict(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)

    def settings(tx: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names}

    expected = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}
    assert await database.write(settings) == expected
    await database.close()
    left = await asyncio.to_thread(Path(sqlite_url.partition("///")[2] + "-wal").exists)
    assert not left, "the last connection checkpoints"


async def test_postgresql_limits_every_session(postgresql_copy: str) -> None:
    database = await Database.open(postgresql_copy)

    def settings(tx: Connection) -> list[str]:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return [tx.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]

    assert await database.write(settings) == ["10s", "3s", "10s"]
    await database.close()


@pytest.mark.parametrize(
    ("version", "warns"),
    [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 52, 0), True), ((3, 53, 0), False)],
)
def test_m10_operators_are_told_of_a_sqlite_with_the_wal_reset_bug(version: tuple[int, ...], warns: bool) -> None:
    assert (advice(version) is not None) == warns


def test_secrets_are_not_in_repr() -> None:
    account = Account("acc_1", "Test", "prepaid", NOW, webhook_secret="whsec_planted", webhook_secret_old="whsec_older")
    assert "whsec" not in repr(account)
