"""The ledger's rules (fault-cases 2.1), on both databases."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from app.core.errors import InsufficientQuota, InvalidRequest
from app.core.pricing import MAX_UNITS
from app.store import accounts, keys, ledger
from app.store.accounts import Account
from app.store.database import Database
from app.store.ledger import KeyBudget, period_of
from app.store.ledger_verify import verify
from tests.store.rows import NOW, add_account, hold, hold_on_key


async def the_account(database: Database, account_id: str = "acc_1") -> Account:
    account = await database.read(lambda tx: accounts.get(tx, account_id))
    assert account is not None
    return account


async def attempt_hold(database: Database, charge_id: str, units: int, budget: KeyBudget) -> str:
    try:
        await database.write(lambda tx: hold_on_key(tx, charge_id, units, budget))
    except InsufficientQuota as refused:
        return refused.code
    return "held"


async def test_l2_of_200_parallel_holds_against_10_units_exactly_10_succeed(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=10))
    answers = await asyncio.gather(
        *(attempt_hold(database, f"task_{number}", 1, KeyBudget("key_1")) for number in range(200))
    )
    assert answers.count("held") == 10
    assert answers.count("insufficient_balance") == 190
    assert (await the_account(database)).available_units == 0
    assert (await database.read(verify)).ok


async def test_g86_the_tightest_level_binds_exactly(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    budget = KeyBudget("key_1", 7, "total")
    answers = await asyncio.gather(*(attempt_hold(database, f"task_{number}", 1, budget) for number in range(50)))
    assert answers.count("held") == 7
    assert answers.count("budget_exceeded") == 43
    assert (await the_account(database)).held_units == 7, "a refusal by the key leaves nothing on the account"


async def test_a_hold_that_the_account_refuses_leaves_nothing_on_the_key(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=5))
    assert await attempt_hold(database, "task_1", 6, KeyBudget("key_1", 100, "total")) == "insufficient_balance"
    assert (await database.read(lambda tx: keys.spending(tx, "key_1", "total"))).held_units == 0
    assert (await database.read(verify)).ok


async def test_a_refusal_tells_what_is_needed_and_what_is_available(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=134_000))
    with pytest.raises(InsufficientQuota, match="needs 268000 units, and the account has 134000 available") as refused:
        await database.write(lambda tx: hold(tx, "task_1", 268_000))
    assert refused.value.should_retry is False
    with pytest.raises(InsufficientQuota, match="needs 9 units, and the key's budget has 8 available"):
        await database.write(lambda tx: hold_on_key(tx, "task_1", 9, KeyBudget("key_1", 8, "month")))


async def test_l1_a_capture_charges_its_part_and_frees_the_rest(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))
    assert (await the_account(database)).available_units == 60
    await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=30, at=NOW))
    account = await the_account(database)
    assert (account.balance_units, account.held_units, account.available_units) == (70, 0, 70)


async def test_a_release_charges_nothing(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))
    await database.write(lambda tx: ledger.release(tx, charge_id="task_1", reason="moderation_blocked", at=NOW))
    account = await the_account(database)
    assert (account.balance_units, account.held_units) == (100, 0)
    (entry, *_) = (await database.read(lambda tx: ledger.entries(tx, charge_id="task_1"))).items
    assert (entry.kind, entry.units, entry.hold_units, entry.reason) == ("release", 40, 40, "moderation_blocked")


async def test_l3_a_charge_is_resolved_once_however_many_try(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))

    async def resolve(number: int) -> str:
        try:
            if number % 2:
                await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=40, at=NOW))
            else:
                await database.write(lambda tx: ledger.release(tx, charge_id="task_1", reason="race", at=NOW))
        except ledger.AlreadyResolved:
            return "late"
        return "won"

    answers = await asyncio.gather(*(resolve(number) for number in range(20)))
    assert answers.count("won") == 1
    account = await the_account(database)
    assert account.held_units == 0
    assert account.balance_units in (60, 100)
    assert (await database.read(verify)).ok


async def test_l3_the_database_itself_refuses_a_second_resolution(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))
    await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=40, at=NOW))
    again = text(
        "INSERT INTO ledger_entries (account_id, charge_id, kind, units, hold_units, estimated, at)"
        " VALUES ('acc_1', 'task_1', 'release', 40, 40, false, 0)"
    )
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.execute(again).rowcount)


async def test_l4_no_more_is_captured_than_was_held(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))
    with pytest.raises(ledger.CaptureExceedsHold):
        await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=41, at=NOW))
    excess = text(
        "INSERT INTO ledger_entries (account_id, charge_id, kind, units, hold_units, estimated, at)"
        " VALUES ('acc_1', 'task_1', 'capture', 41, 40, false, 0)"
    )
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.execute(excess).rowcount)


@pytest.mark.parametrize("statement", ["UPDATE ledger_entries SET units = 1", "DELETE FROM ledger_entries"])
async def test_l6_entries_are_neither_changed_nor_deleted(database: Database, statement: str) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    with pytest.raises(IntegrityError, match="added, never changed"):
        await database.write(lambda tx: tx.execute(text(statement)).rowcount)
    assert [entry.units for entry in (await database.read(ledger.entries)).items] == [100]


async def test_only_a_held_charge_can_be_resolved(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    with pytest.raises(ledger.UnknownCharge):
        await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=0, at=NOW))


async def test_l7_a_charge_is_held_once(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: hold(tx, "task_1", 40))
    assert (await the_account(database)).held_units == 40


async def test_a_free_request_is_on_record_and_resolves(database: Database) -> None:
    await database.write(add_account)
    await database.write(lambda tx: hold_on_key(tx, "task_1", 0, KeyBudget("key_1", 0, "day")))
    await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=0, at=NOW))
    assert [entry.kind for entry in (await database.read(ledger.entries)).items] == ["capture", "hold"]
    assert (await database.read(verify)).ok


async def test_an_unlimited_account_is_never_refused_and_still_counted(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, billing="unlimited"))
    await database.write(lambda tx: hold(tx, "task_1", 500))
    await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=300, at=NOW))
    account = await the_account(database)
    assert (account.balance_units, account.held_units) == (-300, 0)
    assert (await database.read(verify)).ok


async def test_l15_a_capture_after_midnight_belongs_to_the_day_of_its_hold(database: Database) -> None:
    """G93: a period is part of the hold, so no reset can come between."""
    await database.write(lambda tx: add_account(tx, units=100))
    budget = KeyBudget("key_1", 10, "day")
    late = 1_790_035_199.0  # 2026-09-21T23:59:59Z
    await database.write(lambda tx: hold_on_key(tx, "task_1", 10, budget, at=late))
    assert await attempt_hold(database, "task_2", 1, budget) == "budget_exceeded"
    await database.write(lambda tx: hold_on_key(tx, "task_3", 10, budget, at=late + 1))
    await database.write(lambda tx: ledger.capture(tx, charge_id="task_1", units=6, at=late + 60))
    monday = await database.read(lambda tx: keys.spending(tx, "key_1", "2026-09-21"))
    tuesday = await database.read(lambda tx: keys.spending(tx, "key_1", "2026-09-22"))
    assert (monday.held_units, monday.spent_units) == (0, 6)
    assert (tuesday.held_units, tuesday.spent_units) == (10, 0)
    assert (await database.read(verify)).ok


def test_periods_are_utc_and_know_leap_days() -> None:
    leap = 1_835_395_200.0  # 2028-02-29T00:00:00Z
    assert period_of("day", leap) == "2028-02-29"
    assert period_of("day", leap - 1) == "2028-02-28"
    assert period_of("month", leap) == "2028-02"
    assert period_of("total", leap) == "total"


async def test_an_adjustment_never_takes_what_is_held(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: hold(tx, "task_1", 40))

    async def by(units: int) -> ledger.Entry:
        return await database.write(
            lambda tx: ledger.adjust(tx, account_id="acc_1", units=units, reason="test", actor="ops", at=NOW)
        )

    with pytest.raises(InvalidRequest):
        await by(-61)
    assert (await by(-60)).units == -60
    assert (await the_account(database)).available_units == 0


@pytest.mark.parametrize("units", [0, -1, MAX_UNITS, 2**70])
async def test_l13_a_grant_that_cannot_be_counted_is_refused(database: Database, units: int) -> None:
    await database.write(lambda tx: add_account(tx, units=1))
    with pytest.raises(InvalidRequest):
        await database.write(
            lambda tx: ledger.grant(tx, account_id="acc_1", units=units, reason="test", actor="ops", at=NOW)
        )


async def test_entries_are_paged_by_sequence_newest_first(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=100))
    for number in range(4):
        await database.write(partial(hold, charge_id=f"task_{number}", units=1))
    first = await database.read(lambda tx: ledger.entries(tx, kind="hold", limit=3))
    assert [entry.charge_id for entry in first.items] == ["task_3", "task_2", "task_1"]
    assert first.next_cursor is not None
    after = int(first.next_cursor)
    second = await database.read(lambda tx: ledger.entries(tx, kind="hold", after=after, limit=3))
    assert [entry.charge_id for entry in second.items] == ["task_0"]
    assert not second.has_more
