"""What each condition of the ledger is for: whose entry, which account, which side of a limit. Found by faults (K)."""

import pytest
from sqlalchemy import Connection

from app.core.errors import InsufficientQuota, InvalidRequest
from app.core.pricing import MAX_UNITS
from app.store import accounts, keys, ledger
from app.store.database import Database
from app.store.ledger import Entry, KeyBudget
from tests.store.rows import NOW, add_account, add_key, hold, hold_on_key

BUDGET = KeyBudget("key_1", 50, "total")


@pytest.fixture
async def two(on_sqlite: Database) -> Database:
    """Two accounts, one with 100 units and a key with a budget, one unlimited; a charge of each."""

    def fill(tx: Connection) -> None:
        add_account(tx, units=100)
        add_key(tx, "key_b", budget_units=50, budget_period="total")
        add_account(tx, "acc_2", billing="unlimited")
        hold_on_key(tx, "charge_1", 30, BUDGET)
        hold(tx, "charge_2", 7, account_id="acc_2")

    await on_sqlite.write(fill)
    return on_sqlite


async def entries(database: Database, **said: object) -> list[Entry]:
    return list((await database.read(lambda tx: ledger.entries(tx, **said))).items)  # type: ignore[arg-type]  # filters


async def test_a_hold_and_its_end_tell_whose_they_are_and_are_no_estimates(two: Database) -> None:
    await two.write(lambda tx: ledger.capture(tx, charge_id="charge_1", units=30, at=NOW + 1, estimated=True))
    await two.write(lambda tx: ledger.release(tx, charge_id="charge_2", reason="test", at=NOW + 2))
    released, captured, held_2, held_1 = await entries(two, limit=4)
    assert (held_1.key_id, held_1.period, held_1.price, held_1.estimated) == ("key_1", "total", {"per_image": 1}, False)
    assert (held_2.account_id, held_2.key_id, held_2.period) == ("acc_2", None, None)
    assert (captured.key_id, captured.period, captured.at, captured.estimated) == ("key_1", "total", NOW + 1, True)
    assert (released.units, released.hold_units, released.estimated) == (7, 7, False)


async def test_what_is_not_said_to_be_estimated_is_not(two: Database) -> None:
    await two.write(lambda tx: ledger.capture(tx, charge_id="charge_1", units=1, at=NOW))
    [captured] = await entries(two, kind="capture")
    assert captured.estimated is False


async def test_entries_are_found_by_account_key_and_charge_and_twenty_make_a_page(two: Database) -> None:
    assert {entry.charge_id for entry in await entries(two, account_id="acc_2")} == {"charge_2"}
    assert {entry.charge_id for entry in await entries(two, key_id="key_1")} == {"charge_1"}
    assert {entry.account_id for entry in await entries(two, charge_id="charge_2")} == {"acc_2"}

    def more(tx: Connection) -> None:
        for number in range(20):
            hold(tx, f"more_{number}", 1, account_id="acc_2")

    await two.write(more)
    page = await two.read(ledger.entries)
    assert (len(page.items), page.has_more) == (20, True)


async def test_a_refusal_by_the_budget_is_final_and_tells_no_less_than_nothing(two: Database) -> None:
    lowered = KeyBudget("key_1", 20, "total")
    with pytest.raises(
        InsufficientQuota, match="needs 1 units, and the key's budget has 0 available in the"
    ) as refused:
        await two.write(lambda tx: hold_on_key(tx, "charge_3", 1, lowered))
    assert (refused.value.code, refused.value.should_retry) == ("budget_exceeded", False)


async def test_a_period_counts_its_own_keys_holds_and_what_that_key_has_spent(two: Database) -> None:
    def spend(tx: Connection) -> None:
        ledger.capture(tx, charge_id="charge_1", units=20, at=NOW)
        hold_on_key(tx, "charge_3", 50, KeyBudget("key_b", 50, "total"))
        hold_on_key(tx, "charge_4", 10, BUDGET)
        hold_on_key(tx, "charge_5", 20, BUDGET)

    await two.write(spend)
    with pytest.raises(InsufficientQuota, match="needs 1 units, and the key's budget has 0 available"):
        await two.write(lambda tx: hold_on_key(tx, "charge_6", 1, BUDGET))
    with pytest.raises(InsufficientQuota, match="needs 81 units, and the key's budget has 50 available"):
        await two.write(lambda tx: hold_on_key(tx, "charge_7", 81, KeyBudget("key_1", 100, "total")))
    found = await two.read(lambda tx: [keys.spending(tx, key_id, "total") for key_id in ("key_1", "key_b")])
    assert [(each.held_units, each.spent_units) for each in found] == [(30, 20), (50, 0)]


async def test_a_refusal_by_the_account_tells_that_accounts_units(two: Database) -> None:
    with pytest.raises(InsufficientQuota, match="needs 71 units, and the account has 70 available"):
        await two.write(lambda tx: hold(tx, "charge_3", 71))
    await two.write(lambda tx: hold(tx, "charge_3", 70))
    with pytest.raises(InsufficientQuota, match="has 0 available"):
        await two.write(lambda tx: hold(tx, "charge_4", 1))


async def test_l13_as_much_as_can_be_counted_is_granted_and_no_unit_more(two: Database) -> None:
    def granted(tx: Connection, units: int) -> Entry:
        return ledger.grant(tx, account_id="acc_2", units=units, reason="all", actor="ops", at=NOW)

    assert (await two.write(lambda tx: granted(tx, MAX_UNITS))).units == MAX_UNITS
    for units in (1, MAX_UNITS + 1):
        with pytest.raises(InvalidRequest) as refused:
            await two.write(lambda tx, units=units: granted(tx, units))  # type: ignore[misc]  # bound at once
        assert refused.value.param == "units"


async def test_an_adjustment_moves_one_account_and_tells_who_did_it(two: Database) -> None:
    def adjusted(tx: Connection, account_id: str, units: int) -> Entry:
        return ledger.adjust(tx, account_id=account_id, units=units, reason="why", actor="who", at=NOW)

    entry = await two.write(lambda tx: adjusted(tx, "acc_2", -5))
    assert (entry.kind, entry.units, entry.reason, entry.actor, entry.estimated) == ("adjust", -5, "why", "who", False)
    with pytest.raises(InvalidRequest):
        await two.write(lambda tx: adjusted(tx, "acc_none", 5))
    with pytest.raises(InvalidRequest):
        await two.write(lambda tx: adjusted(tx, "acc_2", 0))
    balances = await two.read(lambda tx: [accounts.get(tx, account_id) for account_id in ("acc_1", "acc_2")])
    assert [account and account.balance_units for account in balances] == [100, -5]


@pytest.mark.parametrize("units", [-1, MAX_UNITS + 1])
async def test_l13_no_hold_is_made_of_what_is_no_amount(two: Database, units: int) -> None:
    with pytest.raises(AssertionError):
        await two.write(lambda tx: hold(tx, "charge_3", units, account_id="acc_2"))
    with pytest.raises(AssertionError):
        await two.write(lambda tx: ledger.capture(tx, charge_id="charge_1", units=-1, at=NOW))
