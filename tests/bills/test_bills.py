"""Bills are held against attempts by the vendor's id or ours, count once, and show what does not match."""

import pytest

from app.core.errors import NotFound
from app.gateway.bills import LINES_AT_ONCE, Bills
from app.store import audit
from app.store.bills import Match
from app.store.database import Database
from app.store.reconciliation import Sums, reconcile
from tests.bills.conftest import DAY, VENDOR
from tests.store.rows import NOW

BILL = b"""task_id,date,model,amount
job-0,2026-09-21,big-model,0.000004
job-1,2026-09-21,big-model,0.000007
job-0,2026-09-21,big-model,0.000004
att_4,2026-09-21,big-model,0.000004
job-99,2026-09-21,big-model,0.000004
,2026-09-21,writer,0.000025
"""
MATCHES: list[Match] = ["matched", "differs", "repeated", "unknown", "unmatched", "total"]


async def sums(database: Database, **said: object) -> dict[tuple[str | None, str | None], Sums]:
    """The report by vendor's model and period."""
    found = await database.read(lambda tx: reconcile(tx, **said))  # type: ignore[arg-type]
    assert {one.vendor for one in found} <= {VENDOR}
    return {(one.model, one.period): one.sums for one in found}


async def test_each_line_says_what_of_ours_it_is_for(bills: Bills) -> None:
    view = await bills.take_in(VENDOR, "september.csv", BILL)
    page = await bills.lines(view.bill.id)
    assert [line.match for line in page.items] == MATCHES
    assert [line.attempt_id for line in page.items] == ["att_0", "att_1", "att_0", "att_4", None, None]
    assert [line.expected_units for line in page.items] == [4, 4, 4, 0, None, None]
    assert view.matches.lines == dict.fromkeys(MATCHES, 1)
    assert (view.bill.lines, view.bill.units, view.repeated) == (6, 48, False)
    (wrong,) = (await bills.lines(view.bill.id, match="unmatched")).items
    assert (wrong.line, wrong.reference) == (6, "job-99")


async def test_the_same_file_counts_once_and_another_that_names_the_same_work_is_told(
    bills: Bills, database: Database
) -> None:
    first = await bills.take_in(VENDOR, "september.csv", BILL)
    again = await bills.take_in(VENDOR, "copy.csv", BILL)
    assert (again.repeated, again.bill) == (True, first.bill)
    more = await bills.take_in(VENDOR, "more.csv", b"task_id,amount\njob-0,0.000004\njob-2,0.000004\n")
    assert more.matches.lines == {"matched": 1, "repeated": 1}
    changes = (await database.read(audit.list_page)).items
    assert [change.action for change in changes] == ["bill.imported", "bill.imported"]


async def test_an_import_that_was_interrupted_is_begun_anew(bills: Bills, database: Database) -> None:
    await bills.take_in(VENDOR, "september.csv", BILL)
    await database.write(
        lambda tx: [
            tx.exec_driver_sql(statement)
            for statement in (
                "UPDATE bills SET finished_at = NULL",
                "DELETE FROM bill_lines WHERE line > 3",
            )
        ]
    )
    assert (await sums(database, by="total"))["big-model", None].billed_units == 0, "it does not count by halves"
    again = await bills.take_in(VENDOR, "september.csv", BILL)
    assert (again.repeated, again.matches.lines) == (False, dict.fromkeys(MATCHES, 1))


async def test_a_withdrawn_bill_is_gone_and_can_be_imported_again(bills: Bills, database: Database) -> None:
    before = await sums(database)
    view = await bills.take_in(VENDOR, "september.csv", BILL)
    await bills.withdraw(view.bill.id)
    assert await sums(database) == before
    with pytest.raises(NotFound):
        await bills.view(view.bill.id)
    assert not (await bills.take_in(VENDOR, "september.csv", BILL)).repeated


async def test_a_bill_longer_than_a_transaction_is_whole(bills: Bills) -> None:
    lines = b"".join(b"job-x%d,0.000001\n" % number for number in range(LINES_AT_ONCE + 5))
    view = await bills.take_in(VENDOR, "long.csv", b"id,amount\n" + lines)
    assert view.matches.lines == {"unmatched": LINES_AT_ONCE + 5}


async def test_a_vendor_that_nobody_knows_is_refused_and_one_that_left_the_catalog_is_not(
    bills: Bills, database: Database
) -> None:
    with pytest.raises(NotFound):
        await bills.take_in("stranger", "x.csv", BILL)

    async def none() -> frozenset[str]:
        return frozenset()

    later = Bills(database, clock=bills._clock, vendors=none)
    assert (await later.take_in(VENDOR, "x.csv", BILL)).bill.vendor == VENDOR


async def test_the_report_holds_what_was_charged_expected_and_billed_side_by_side(
    bills: Bills, database: Database
) -> None:
    await bills.take_in(VENDOR, "september.csv", BILL)
    found = await sums(database, by="month")
    pictures, texts = found["big-model", "2026-09"], found["writer", "2026-09"]
    assert pictures == Sums(
        attempts=5,
        images=4,
        charged_units=40,
        expected_units=16,
        unknown=1,
        exposure_units=4,
        billed_lines=5,
        billed_units=23,
        unmatched_lines=2,
        unmatched_units=8,
        unbilled=2,
        unbilled_units=8,
    )
    assert (pictures.difference_units, pictures.margin_units) == (7, 17)
    assert (texts.attempts, texts.charged_units, texts.expected_units, texts.billed_units) == (1, 30, 20, 25)
    assert (texts.difference_units, texts.margin_units) == (5, 5)


@pytest.mark.usefixtures("bills")
async def test_where_nothing_was_billed_the_margin_is_the_expected_one(database: Database) -> None:
    found = await sums(database, by="total")
    assert found["big-model", None].margin_units == 40 - 16
    assert found["big-model", None].unbilled == 4


@pytest.mark.usefixtures("bills")
async def test_the_report_is_by_day_and_of_a_time(database: Database) -> None:
    by_day = await sums(database, by="day")
    assert {key: one.attempts for key, one in by_day.items()} == {
        ("big-model", "2026-09-21"): 4,
        ("big-model", "2026-09-22"): 1,
        ("writer", "2026-09-21"): 1,
    }
    later = await sums(database, by="day", start=NOW + DAY)
    assert list(later) == [("big-model", "2026-09-22")]
    assert await sums(database, end=NOW) == {}
    assert await sums(database, vendor="another") == {}
