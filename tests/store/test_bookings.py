"""Many holds and settlements in one unit of work keep every rule that single ones keep, on both databases."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from app.core.errors import InsufficientQuota, Overloaded
from app.store import accounts, chats, keys, ledger, ledger_verify, tables
from app.store.bookings import Hold, Settlement, book, budget_period
from app.store.database import Database
from app.store.ledger import Entry, KeyBudget
from tests.store.rows import NOW, add_account, add_key

PRICE = {"per_1m_input_tokens": 150_000}


def a_hold(charge_id: str, units: int, *, account: str = "1", budget: KeyBudget | None = None) -> Hold:
    key = budget or KeyBudget(f"key_{account}")
    return Hold(charge_id, f"acc_{account}", key, units, PRICE, NOW, budget_period(key, NOW))


def ended(hold: Hold, units: int, *, outcome: str = "succeeded", held: bool = True, **said: Any) -> Settlement:
    chat = chats.Chat(hold.charge_id, hold.account_id, hold.key.key_id, "m", outcome, NOW, NOW + 1, units=units, **said)
    return Settlement(chat, hold, held)


async def everything(database: Database) -> list[Entry]:
    """The ledger, oldest first, grants left out; every invariant holds."""
    page = await database.read(lambda tx: ledger.entries(tx, limit=100))
    assert (await database.read(ledger_verify.verify)).violations == ()
    return [entry for entry in reversed(page.items) if entry.kind != "grant"]


async def test_holds_are_made_in_order_until_the_account_is_empty(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    holds = [a_hold("c1", 60), a_hold("c2", 60), a_hold("c3", 40)]
    refusals = await database.write(lambda tx: book(tx, holds, []))
    assert [refusal is None for refusal in refusals] == [True, False, True]
    assert isinstance(refusals[1], InsufficientQuota)
    assert (refusals[1].code, "has 40 available" in refusals[1].message) == ("insufficient_balance", True)
    made = await everything(database)
    assert [(entry.charge_id, entry.kind, entry.units, entry.price) for entry in made] == [
        ("c1", "hold", 60, PRICE),
        ("c3", "hold", 40, PRICE),
    ]


async def test_what_a_settlement_frees_can_be_held_in_the_same_transaction(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    first, second = a_hold("c1", 100), a_hold("c2", 90)
    await database.write(lambda tx: book(tx, [first], []))
    assert await database.write(lambda tx: book(tx, [second], [ended(first, 10)])) == (None,)
    account = await database.read(lambda tx: accounts.get(tx, "acc_1"))
    assert account is not None
    assert (account.balance_units, account.held_units) == (90, 90)
    assert [entry.kind for entry in await everything(database)] == ["hold", "capture", "hold"]


async def test_a_keys_budget_binds_before_its_accounts_balance(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=1000))
    await database.write(lambda tx: add_key(tx, "key_b", budget_units=50, budget_period="day"))
    budget = KeyBudget("key_b", 50, "day")
    holds = [a_hold("c1", 30, budget=budget), a_hold("c2", 30, budget=budget), a_hold("c3", 30)]
    refusals = await database.write(lambda tx: book(tx, holds, []))
    assert [None if refusal is None else refusal.code for refusal in refusals] == [None, "budget_exceeded", None]
    await database.write(lambda tx: book(tx, [], [ended(holds[0], 20)]))
    spending = await database.read(lambda tx: keys.spending(tx, "key_b", "2026-09-21"))
    assert (spending.held_units, spending.spent_units) == (0, 20)
    assert {entry.period for entry in await everything(database)} == {"2026-09-21", None}


async def test_a_failed_request_is_released_and_a_free_one_captured(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    failed, free = a_hold("c1", 30), a_hold("c2", 30)
    await database.write(lambda tx: book(tx, [failed, free], []))
    done = [ended(failed, 0, outcome="upstream_error", exposure_units=7), ended(free, 0, estimated=True)]
    await database.write(lambda tx: book(tx, [], done))
    resolved = [entry for entry in await everything(database) if entry.kind != "hold"]
    assert [(entry.kind, entry.units, entry.hold_units, entry.reason, entry.estimated) for entry in resolved] == [
        ("release", 30, 30, "upstream_error", False),
        ("capture", 0, 30, None, True),
    ]
    rows = await database.read(lambda tx: tx.execute(tables.chats.select().order_by(tables.chats.c.id)).all())
    assert [chats.Chat(**row._mapping) for row in rows] == [settlement.chat for settlement in done]


async def test_hold_and_capture_at_once_and_nothing_for_nothing(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, billing="unlimited"))
    charged = ended(a_hold("c1", 8), 8, held=False)
    failed = ended(a_hold("c2", 0), 0, held=False, outcome="upstream_error")
    await database.write(lambda tx: book(tx, [], [charged, failed]))
    assert [(entry.charge_id, entry.kind, entry.units) for entry in await everything(database)] == [
        ("c1", "hold", 8),
        ("c1", "capture", 8),
    ]
    account = await database.read(lambda tx: accounts.get(tx, "acc_1"))
    assert account is not None
    assert (account.balance_units, account.held_units) == (-8, 0)


@pytest.mark.parametrize("again", ["hold", "settlement"])
async def test_a_charge_that_is_booked_twice_spoils_its_whole_batch(database: Database, again: str) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    first, other = a_hold("c1", 10), a_hold("c2", 10)
    await database.write(lambda tx: book(tx, [first, other], []))
    await database.write(lambda tx: book(tx, [], [ended(first, 5)]))
    before = await everything(database)
    holds, settlements = ([first], []) if again == "hold" else ([], [ended(other, 1), ended(first, 5)])
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: book(tx, holds, settlements))
    assert await everything(database) == before


async def test_a_hold_that_a_crashed_server_lost_is_made_with_its_capture_of_no_more_than_there_is(
    postgresql_copy: str,
) -> None:
    database = await Database.open(postgresql_copy)
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: add_key(tx, "key_b", budget_units=30, budget_period="day"))
    budget = KeyBudget("key_b", 30, "day")
    other = a_hold("c0", 40)
    done = [
        ended(a_hold("c1", 60), 50),
        ended(a_hold("c2", 60, budget=budget), 0, outcome="upstream_error"),
        ended(a_hold("c3", 30, budget=budget), 5),
        ended(a_hold("c4", 60), 20),
    ]
    await database.write(lambda tx: book(tx, [other], []))
    await database.write(lambda tx: book(tx, [], [ended(other, 40), *done]))
    captured = {entry.charge_id: entry.units for entry in await everything(database) if entry.kind == "capture"}
    assert captured == {"c0": 40, "c1": 50, "c3": 5, "c4": 5}
    rows = await database.read(lambda tx: tx.execute(tables.chats.select().order_by(tables.chats.c.id)).all())
    assert [row.units for row in rows] == [40, 50, 0, 5, 5]
    await database.close()


async def test_a_database_that_cannot_write_is_told_as_such(sqlite_url: str) -> None:
    database = await Database.open(f"{sqlite_url}?timeout=0.1")
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: tx.exec_driver_sql("PRAGMA query_only = ON"))
    with pytest.raises(Overloaded):
        await database.write(lambda tx: book(tx, [a_hold("c1", 10)], []))
    await database.close()


async def test_many_writers_at_once_never_overspend(database: Database) -> None:
    def start(tx: Any) -> None:
        add_account(tx, units=1_000)
        add_account(tx, "acc_2", units=1_000)

    await database.write(start)
    batches = [
        [a_hold(f"c{batch}-{number}", 30, account="12"[(batch + number) % 2]) for number in range(8)]
        for batch in range(20)
    ]

    async def hold(batch: list[Hold]) -> tuple[InsufficientQuota | None, ...]:
        return await database.write(lambda tx: book(tx, batch, []))

    results = await asyncio.gather(*map(hold, batches))
    assert sum(refusal is None for refusals in results for refusal in refusals) == 2 * 33
    await everything(database)


async def test_others_may_book_while_a_batch_is_flushed_and_the_write_returns_when_it_is(postgresql_copy: str) -> None:
    database = await Database.open(postgresql_copy)
    await database.write(lambda tx: add_account(tx, units=100))
    hold = a_hold("c1", 60)
    await database.write(lambda tx: book(tx, [hold], []), flush=False)

    def settle(tx: Any) -> str:
        book(tx, [], [ended(hold, 10)])
        return str(tx.exec_driver_sql("SHOW synchronous_commit").scalar_one())

    inserted = "SELECT CAST(pg_current_wal_insert_lsn() AS text)"
    before = await database.read(lambda tx: tx.exec_driver_sql(inserted).scalar_one())
    assert await database.write(settle) == "off"
    flushed = f"SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), '{before}') > 0"
    assert await database.read(lambda tx: tx.exec_driver_sql(flushed).scalar_one())
    assert await database.write(lambda tx: tx.exec_driver_sql("SHOW synchronous_commit").scalar_one()) == "on"
    await everything(database)
    await database.close()
