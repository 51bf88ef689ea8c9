"""What each step of a batch of bookings is for: which side of a limit, whose claim. Found by faults (K)."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from app.core.ids import new_ordered_id
from app.core.pricing import MAX_UNITS
from app.store import accounts, bookings, chats, idempotency, keys, ledger, ledger_verify
from app.store.bookings import Hold, Settlement, Work, book, budget_period
from app.store.database import Database
from app.store.idempotency import Kept, Owner, Reply
from app.store.ledger import Entry, KeyBudget
from tests.store.rows import NOW, add_account, add_key

DAILY = KeyBudget("key_b", 50, "day")
WORK = Work("prc_1", "words", "acme", "acme-words", 30)


def a_hold(charge_id: str, units: int, *, account: str = "1", key: KeyBudget | None = None, **said: Any) -> Hold:
    key = key or KeyBudget(f"key_{account}")
    return Hold(charge_id, f"acc_{account}", key, units, {"per_request": 1}, NOW, budget_period(key, NOW), **said)


def ended(
    hold: Hold, units: int, *, outcome: str = "succeeded", kept: Kept | None = None, held: bool = True
) -> Settlement:
    chat = chats.Chat(hold.charge_id, hold.account_id, hold.key.key_id, "m", outcome, NOW, NOW + 1, units=units)
    return Settlement(chat, hold, held, kept)


@pytest.fixture
async def two(on_sqlite: Database) -> Database:
    """A prepaid account with 100 units and a key with a daily budget, and an unlimited one."""

    def fill(tx: Connection) -> None:
        add_account(tx, units=100)
        add_key(tx, "key_b", budget_units=50, budget_period="day")
        add_account(tx, "acc_2", billing="unlimited")

    await on_sqlite.write(fill)
    return on_sqlite


async def booked(database: Database, *holds: Hold, ending: tuple[Settlement, ...] = ()) -> list[str | None]:
    """What a batch refuses; every rule of the ledger holds after it."""
    refusals = await database.write(lambda tx: book(tx, holds, ending))
    assert (await database.read(ledger_verify.verify)).violations == ()
    assert all(refusal is None or refusal.should_retry is False for refusal in refusals)
    return [None if refusal is None else f"{refusal.code}: {refusal.message}" for refusal in refusals]


async def entries(database: Database, charge_id: str) -> list[Entry]:
    """Of one charge, oldest first."""
    page = await database.read(lambda tx: ledger.entries(tx, charge_id=charge_id))
    return list(reversed(page.items))


async def counters(database: Database, account_id: str = "acc_1") -> tuple[int, int]:
    account = await database.read(lambda tx: accounts.get(tx, account_id))
    assert account is not None
    return account.balance_units, account.held_units


async def test_the_last_unit_can_be_held_and_no_more(two: Database) -> None:
    assert await booked(two, a_hold("c1", 100), a_hold("c2", 0), a_hold("c3", 1)) == [
        None,
        None,
        "insufficient_balance: This request needs 1 units, and the account has 0 available.",
    ]
    assert await counters(two) == (100, 100)


async def test_the_last_unit_of_a_budget_can_be_held_and_what_is_spent_counts(two: Database) -> None:
    first, second = a_hold("c1", 50, key=DAILY), a_hold("c2", 31, key=DAILY)
    assert await booked(two, first) == [None]
    assert await booked(two, a_hold("c3", 30, key=DAILY), second, ending=(ended(first, 20),)) == [
        None,
        "budget_exceeded: This request needs 31 units, and the key's budget has 0 available in the period 2026-09-21.",
    ]
    lowered = a_hold("c4", 1, key=replace(DAILY, units=10))
    [told] = await booked(two, lowered)
    assert told is not None
    assert "has 0 available" in told, "less than nothing is nothing"
    spending = await two.read(lambda tx: keys.spending(tx, "key_b", "2026-09-21"))
    assert (spending.held_units, spending.spent_units) == (30, 20)


async def test_a_batch_changes_the_periods_of_its_own_keys_alone(two: Database) -> None:
    await two.write(lambda tx: add_key(tx, "key_c", budget_units=50, budget_period="day"))
    mine, others, monthly = a_hold("c1", 20, key=DAILY), KeyBudget("key_c", 50, "day"), KeyBudget("key_b", 50, "month")
    await booked(two, mine)
    await booked(two, a_hold("c2", 3, key=others))
    await booked(two, a_hold("c3", 5, key=monthly))
    await booked(two, ending=(ended(mine, 7),))
    periods = (("key_b", "2026-09-21"), ("key_c", "2026-09-21"), ("key_b", "2026-09"))
    found = await two.read(lambda tx: [keys.spending(tx, *period) for period in periods])
    assert [(each.held_units, each.spent_units) for each in found] == [(0, 7), (3, 0), (5, 0)]


async def test_what_is_held_with_its_capture_takes_nothing_from_what_others_hold(two: Database) -> None:
    other = a_hold("c1", 40, key=DAILY)
    assert await booked(two, other) == [None]
    assert await booked(two, ending=(ended(a_hold("c2", 9, key=DAILY), 5, held=False),)) == []
    assert await counters(two) == (95, 40)
    spending = await two.read(lambda tx: keys.spending(tx, "key_b", "2026-09-21"))
    assert (spending.held_units, spending.spent_units) == (40, 5)
    assert [(entry.kind, entry.units, entry.hold_units) for entry in await entries(two, "c2")] == [
        ("hold", 9, None),
        ("capture", 5, 9),
    ]


async def test_a_hold_of_nothing_that_was_made_is_ended_too(two: Database) -> None:
    free = a_hold("c1", 0)
    await booked(two, free)
    await booked(two, ending=(ended(free, 0),))
    assert [(entry.kind, entry.units) for entry in await entries(two, "c1")] == [("hold", 0), ("capture", 0)]


async def test_all_of_a_hold_can_be_captured_and_no_more(two: Database) -> None:
    whole = a_hold("c1", 10)
    await booked(two, whole)
    for units in (11, -1):
        with pytest.raises(AssertionError):
            await two.write(lambda tx, units=units: book(tx, [], [ended(whole, units)]))  # type: ignore[misc]
    await booked(two, ending=(ended(whole, 10),))
    assert await counters(two) == (90, 0)


@pytest.mark.parametrize("units", [-1, MAX_UNITS + 1])
async def test_l13_no_hold_is_made_of_what_is_no_amount(two: Database, units: int) -> None:
    with pytest.raises(AssertionError):
        await two.write(lambda tx: book(tx, [a_hold("c1", units, account="2")], []))


async def test_who_serves_a_text_is_told_with_its_hold_alone(two: Database) -> None:
    hold = a_hold(new_ordered_id("chatcmpl", NOW), 10, work=WORK)
    await booked(two, hold)
    (open_hold,) = await two.read(lambda tx: bookings.open_holds(tx, since=NOW - 1, before=NOW + 1))
    assert open_hold == replace(hold, key=KeyBudget("key_1"))
    await booked(two, ending=(ended(hold, 4),))
    made, captured = await entries(two, hold.charge_id)
    assert (made.price, made.work is None, made.hold_units, made.at) == ({"per_request": 1}, False, None, NOW)
    assert made.estimated is False
    assert (captured.price, captured.work, captured.at, captured.estimated) == (None, None, NOW + 1, False)
    assert await two.read(lambda tx: bookings.open_holds(tx, since=NOW - 1, before=NOW + 1)) == ()


async def test_open_holds_are_those_of_texts_within_a_time(two: Database) -> None:
    ids = [new_ordered_id("chatcmpl", NOW + second) for second in range(4)]
    await booked(two, *(a_hold(charge_id, 1) for charge_id in ids), a_hold("task_1", 1))
    other = a_hold("task_2", 1)
    await booked(two, other)
    await booked(two, ending=(ended(other, 1),))
    found = await two.read(lambda tx: bookings.open_holds(tx, since=NOW + 1, before=NOW + 3))
    assert [hold.charge_id for hold in found] == ids[1:3]
    assert await two.read(lambda tx: bookings.held(tx, [ids[0], "task_1", "none"])) == {ids[0], "task_1"}


async def test_l3_a_lost_text_is_settled_once(two: Database) -> None:
    hold, other = a_hold("c1", 10), a_hold("c3", 10)
    await booked(two, hold, a_hold("c2", 10), other)
    await booked(two, ending=(ended(other, 0, outcome="cancelled"),))
    lost = ended(hold, 0, outcome="upstream_error")
    assert await two.write(lambda tx: bookings.end_lost(tx, lost)) is True
    assert await two.write(lambda tx: bookings.end_lost(tx, lost)) is False
    assert await counters(two) == (100, 10)
    assert [entry.kind for entry in await entries(two, "c1")] == ["hold", "release"]


def test_a_key_without_units_has_no_period() -> None:
    assert budget_period(KeyBudget("key_1", None, "day"), NOW) is None
    assert budget_period(KeyBudget("key_1", 5, None), NOW) is None


def kept(task_id: str, *, fingerprint: str | None = None) -> Kept:
    return Kept(Owner("acc_1", "again", task_id), Reply(200, {}, b"{}"), 60, fingerprint)


async def claimed(database: Database, task_id: str) -> None:
    claim = {"account_id": "acc_1", "key": "again", "fingerprint": "f", "task_id": task_id, "expires_at": NOW + 60}
    await database.write(lambda tx: idempotency.claim(tx, **claim, at=NOW))  # type: ignore[arg-type]  # one of each


@pytest.mark.parametrize(
    ("task_id", "fingerprint", "units"), [("c1", None, 6), ("c1", "f", 6), ("c2", None, 0), ("c2", "f", 6)]
)
async def test_l7_who_lost_its_claim_charges_nothing_unless_it_was_a_late_one(
    two: Database, task_id: str, fingerprint: str | None, units: int
) -> None:
    """Both have worked where a claim was made late; where it was made first, only who has it is paid."""
    hold = a_hold("c1", 10)
    await booked(two, hold)
    await claimed(two, task_id)
    await booked(two, ending=(ended(hold, 6, kept=kept("c1", fingerprint=fingerprint)),))
    assert await counters(two) == (100 - units, 0)
    _, resolved = await entries(two, "c1")
    assert (resolved.kind, resolved.reason) == (("capture", None) if units else ("release", "superseded"))
