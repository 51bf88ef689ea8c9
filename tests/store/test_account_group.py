"""Units of one account share a transaction, and nothing else: not each other's mistakes, nor other accounts' waits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest
from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import IntegrityError

from app.core.errors import InsufficientQuota, Overloaded
from app.core.task import TaskStatus
from app.store import leases, ledger, tasks
from app.store.database import Database
from app.store.ledger import KeyBudget
from app.store.ledger_verify import verify
from app.store.postgresql import create_postgresql_engine
from app.store.tasks import Finish
from tests.store.rows import NOW, a_task, add_account, add_key, hold, hold_on_key


class Broken(Exception):
    """What a failing unit raises."""


@pytest.fixture
async def shared(postgresql_copy: str) -> AsyncIterator[Database]:
    """PostgreSQL with two accounts that have plenty."""
    database = await Database.open(postgresql_copy)
    for account_id in ("acc_1", "acc_2"):
        await database.write(partial(add_account, account_id=account_id, units=1_000_000))
    yield database
    await database.close()


@pytest.fixture
async def other(postgresql_copy: str) -> AsyncIterator[Database]:
    """The same database, as another process sees it."""
    database = await Database.open(postgresql_copy)
    yield database
    await database.close()


def holding(charge_id: str, *, units: int = 1, then: Exception | None = None) -> Callable[[Connection], str]:
    """A unit that holds on acc_1, may fail after it, and tells which transaction it was in."""

    def unit(tx: Connection) -> str:
        ledger.hold(tx, charge_id=charge_id, account_id="acc_1", key=None, units=units, price={}, at=NOW)
        if then is not None:
            raise then
        return str(tx.exec_driver_sql("SELECT pg_current_xact_id()::text").scalar_one())

    return unit


async def held(database: Database) -> set[str | None]:
    """The charges that are on record, after every rule was checked."""
    assert (await database.read(verify)).ok
    page = await database.read(partial(ledger.entries, kind="hold", limit=1000))
    return {entry.charge_id for entry in page.items}


async def test_units_of_one_account_share_a_commit(shared: Database) -> None:
    transactions = await asyncio.gather(
        *(shared.write(holding(f"c{number}"), account_id="acc_1") for number in range(50))
    )
    assert len(set(transactions)) < 25  # a transaction takes no more units after a tenth of a second
    assert await held(shared) == {f"c{number}" for number in range(50)}


async def test_a_unit_that_fails_harms_only_itself(shared: Database) -> None:
    async def one(number: int) -> str:
        failing = {3: Broken(), 7: Broken()}.get(number)
        charge_id = "c0" if number == 11 else f"c{number}"
        units = 10_000_000 if number == 13 else 1
        return await shared.write(holding(charge_id, units=units, then=failing), account_id="acc_1")

    answers = await asyncio.gather(*(one(number) for number in range(100)), return_exceptions=True)
    wrong = {number: type(answer) for number, answer in enumerate(answers) if isinstance(answer, BaseException)}
    assert wrong == {3: Broken, 7: Broken, 11: IntegrityError, 13: InsufficientQuota}
    assert await held(shared) == {f"c{number}" for number in range(100)} - {"c3", "c7", "c11", "c13"}


async def test_f8_a_unit_that_loses_the_connection_harms_only_itself(shared: Database) -> None:
    def cut(tx: Connection) -> None:
        holding("cut")(tx)
        tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    before = [shared.write(holding(f"b{number}"), account_id="acc_1") for number in range(5)]
    after = [shared.write(holding(f"a{number}"), account_id="acc_1") for number in range(5)]
    answers = await asyncio.gather(*before, shared.write(cut, account_id="acc_1"), *after, return_exceptions=True)
    assert [number for number, answer in enumerate(answers) if isinstance(answer, Overloaded)] == [5]
    assert await held(shared) == {f"{when}{number}" for when in "ab" for number in range(5)}


async def test_f8_stale_connections_are_replaced_without_anyone_noticing(shared: Database) -> None:
    def end_the_others(tx: Connection) -> None:
        tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

    await asyncio.gather(*(shared.read(lambda tx: tx.execute(text("SELECT pg_sleep(0.05)"))) for _ in range(4)))
    await shared.write(end_the_others)
    answers = await asyncio.gather(
        *(shared.write(holding(f"c{number}"), account_id="acc_1") for number in range(3)),
        *(shared.read(lambda tx: tx.execute(text("SELECT 1")).scalar_one()) for _ in range(4)),
    )
    assert answers[3:] == [1, 1, 1, 1]
    assert await held(shared) == {"c0", "c1", "c2"}


async def test_a_cancelled_caller_does_not_lose_the_commit_of_its_group(shared: Database) -> None:
    waiting = [asyncio.ensure_future(shared.write(holding(f"c{number}"), account_id="acc_1")) for number in range(10)]
    await asyncio.wait(waiting, timeout=0)  # long enough for all to have asked
    waiting[4].cancel()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(answers[4], asyncio.CancelledError)
    assert await held(shared) == {f"c{number}" for number in range(10)}


async def test_an_account_that_is_locked_delays_no_other(shared: Database, postgresql_copy: str) -> None:
    engine = create_postgresql_engine(make_url(postgresql_copy), pool_size=1, limits={})
    async with engine.begin() as other:
        await other.execute(text("UPDATE accounts SET name = 'locked' WHERE id = 'acc_1'"))
        waits = asyncio.ensure_future(shared.write(holding("c1"), account_id="acc_1"))
        unit = partial(hold, charge_id="c2", units=1, account_id="acc_2")
        await shared.write(unit, account_id="acc_2")
        assert await held(shared) == {"c2"}
    answer = (await asyncio.gather(waits, return_exceptions=True))[0]
    assert not isinstance(answer, BaseException) or isinstance(answer, Overloaded)  # it waits for 3 s, no longer
    await engine.dispose()


async def test_groups_of_several_processes_and_what_runs_beside_them_never_wait_in_a_circle(
    shared: Database, other: Database
) -> None:
    ran: list[str] = []
    keys = [f"key_{number}" for number in range(3, 7)]
    for key_id in keys:
        await shared.write(partial(add_key, key_id=key_id))

    async def picture(database: Database, name: str, key_id: str) -> None:
        token, budget = f"lease-{name}", KeyBudget(key_id, 100_000, "day")
        task = a_task(name, status=TaskStatus.IN_PROGRESS, owner="mine", lease_token=token, lease_until=NOW + 60)

        def begin(tx: Connection) -> None:
            ran.append(name)
            leases.lock_key(tx, key_id)
            tasks.create(tx, task)
            hold_on_key(tx, name, 10, budget)

        def end(tx: Connection) -> None:
            ran.append(name)
            tasks.finish(tx, name, lease_token=token, outcome=Finish(TaskStatus.FAILED, error={}), at=NOW)
            ledger.release(tx, charge_id=name, reason="test", at=NOW)

        await database.write(begin, account_id="acc_1")
        await database.write(end, account_id="acc_1")

    async def beat() -> None:
        for _ in range(20):
            await shared.write(lambda tx: leases.renew_all(tx, owner="mine", seconds=60, at=NOW))

    await asyncio.gather(
        *(picture((shared, other)[n % 2], f"task_{n}", keys[(n // 2 + n % 2 * 2) % 4]) for n in range(10, 130)),
        beat(),
        beat(),
    )
    assert len(ran) == 240, "a circle is broken by the server, and what it rolled back runs again"
    assert await held(shared) == {f"task_{n}" for n in range(10, 130)}
