"""L16: usage sums to the ledger, however it is grouped."""

import itertools
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection

from app.core.attempt import AttemptState
from app.core.task import TaskStatus
from app.store import attempts, chats, leases, ledger, reports, tasks
from app.store.attempts import Attempt, Result
from app.store.chats import Chat
from app.store.database import Database
from app.store.leases import Lease
from app.store.reports import Dimension, Usage
from app.store.tasks import Finish
from tests.store.rows import NOW, a_task, add_account, admit, hold

DAY_S = 86_400


def attempt(tx: Connection, task_id: str, slot: int, ordinal: int, vendor: str, result: Result) -> None:
    attempt_id = f"att_{task_id}_{slot}_{ordinal}"
    attempts.intend(tx, Attempt(attempt_id, task_id, slot, ordinal, vendor, "m", 1, NOW))
    attempts.mark_sent(tx, attempt_id, at=NOW)
    attempts.resolve(tx, attempt_id, result, at=NOW)


def history(tx: Connection) -> None:
    """A task drawn by two vendors after a refusal, one that was lost, and two chats, the second a day later."""
    add_account(tx, units=1_000)
    admit(tx, a_task(n=2, hold_units=20))
    admit(tx, a_task("task_2", model="nano-banana-pro-4k"))
    leases.claim(tx, Lease("w", "t", 60), at=NOW, limit=2)
    attempt(tx, "task_1", 0, 0, "one", Result(AttemptState.REFUSED, failure="rate_limited"))
    attempt(tx, "task_1", 0, 1, "two", Result(AttemptState.ACCEPTED, images_delivered=1, cost_units=4))
    attempt(tx, "task_1", 1, 0, "one", Result(AttemptState.ACCEPTED, images_delivered=1, cost_units=3))
    attempt(tx, "task_2", 0, 0, "two", Result(AttemptState.UNKNOWN, failure="timed_out", exposure_units=9))
    ledger.capture(tx, charge_id="task_1", units=20, at=NOW)
    ledger.release(tx, charge_id="task_2", reason="upstream_timeout", at=NOW)
    tasks.finish(tx, "task_1", lease_token="t", outcome=Finish(TaskStatus.SUCCEEDED, 20, 2), at=NOW)
    tasks.finish(tx, "task_2", lease_token="t", outcome=Finish(TaskStatus.FAILED), at=NOW)
    chat = Chat("chat_1", "acc_1", "key_1", "gpt-small", "succeeded", NOW, NOW, "three", "m", 100, 0, 50, units=7)
    for row in (replace(chat, cost_units=2), replace(chat, id="chat_2", created_at=NOW + DAY_S)):
        hold(tx, row.id, 7)
        ledger.capture(tx, charge_id=row.id, units=7, at=row.created_at)
        chats.record(tx, row)


@pytest.fixture
async def used(database: Database) -> Database:
    """A database with that history."""
    await database.write(history)
    return database


async def test_the_total_is_what_the_ledger_captured(used: Database) -> None:
    (total,) = await used.read(reports.usage)
    assert total == Usage((), 4, 2, 200, 100, units=34, cost_units=9, exposure_units=9)
    assert total.margin_units == 25
    captured = await used.read(lambda tx: ledger.entries(tx, kind="capture"))
    assert sum(entry.units for entry in captured.items) == total.units


DIMENSIONS: tuple[Dimension, ...] = ("account", "key", "model", "vendor", "day")


async def test_every_grouping_sums_to_the_same_money(used: Database) -> None:
    for size in range(1, len(DIMENSIONS) + 1):
        for group in itertools.combinations(DIMENSIONS, size):
            rows = await used.read(partial(reports.usage, group_by=group))
            sums = [
                sum(column) for column in zip(*((r.units, r.cost_units, r.exposure_units) for r in rows), strict=True)
            ]
            assert sums == [34, 9, 9], group


async def test_a_task_counts_at_each_vendor_that_was_tried(used: Database) -> None:
    rows = await used.read(lambda tx: reports.usage(tx, group_by=("vendor",)))
    assert {row.group: (row.requests, row.images, row.units, row.cost_units, row.exposure_units) for row in rows} == {
        ("one",): (1, 1, 10, 3, 0),
        ("two",): (2, 1, 10, 4, 9),
        ("three",): (2, 0, 14, 2, 0),
    }


async def test_days_are_utc(used: Database) -> None:
    rows = await used.read(lambda tx: reports.usage(tx, group_by=("day", "model")))
    assert [(row.group, row.requests) for row in rows] == [
        (("2026-09-21", "gpt-small"), 1),
        (("2026-09-21", "nano-banana-2-1k"), 1),
        (("2026-09-21", "nano-banana-pro-4k"), 1),
        (("2026-09-22", "gpt-small"), 1),
    ]


async def test_a_report_begins_at_its_start_and_ends_before_its_end(used: Database) -> None:
    (early,) = await used.read(lambda tx: reports.usage(tx, start=NOW, end=NOW + DAY_S))
    (late,) = await used.read(lambda tx: reports.usage(tx, start=NOW + DAY_S))
    (other,) = await used.read(lambda tx: reports.usage(tx, account_id="acc_2"))
    assert (early.requests, late.requests, other.requests) == (3, 1, 0)
