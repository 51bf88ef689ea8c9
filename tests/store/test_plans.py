"""What is asked often is found by an index, however much has piled up."""

from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Connection, event

from app.store import idempotency, keys, leases, ledger, media, outbox, tasks
from app.store.database import Database
from app.store.leases import Lease
from tests.store.rows import NOW, a_task, add_account, admit, hold

LEASE = Lease("process", "token", 60)

OFTEN: dict[str, Callable[[Connection], object]] = {
    "authenticate": partial(keys.find_by_hash, secret_hash="x"),
    "hold": partial(hold, charge_id="c", units=1),
    "capture": partial(ledger.capture, charge_id="task_1", units=1, at=NOW),
    "read a task": partial(tasks.get, task_id="task_1", account_id="acc_1"),
    "list an account's tasks": partial(tasks.list_page, account_id="acc_1"),
    "list all tasks": tasks.list_page,
    "count a key's tasks": partial(tasks.count_unfinished, key_id="key_1"),
    "claim": partial(leases.claim, lease=LEASE, at=NOW),
    "take over": partial(leases.claim_expired, lease=LEASE, at=NOW),
    "heartbeat": partial(leases.renew_all, owner="process", seconds=60, at=NOW),
    "overdue": partial(tasks.overdue, at=NOW, limit=9),
    "a task's pictures": partial(media.list_for_task, task_id="task_1"),
    "expired pictures": partial(media.expired, at=NOW, limit=9),
    "expired idempotency keys": partial(idempotency.expire, at=NOW, limit=9),
    "webhooks": partial(outbox.take_due, at=NOW, seconds=60, limit=9),
    "entries of an account": partial(ledger.entries, account_id="acc_1"),
}


def plans(tx: Connection, work: Callable[[Connection], object]) -> list[str]:
    """How SQLite runs each statement of a unit of work."""
    statements: list[tuple[str, tuple[object, ...]]] = []

    def note(_tx: object, _cursor: object, statement: str, values: tuple[object, ...], *_: object) -> None:
        statements.append((statement, values))

    event.listen(tx, "before_cursor_execute", note)
    work(tx)
    event.remove(tx, "before_cursor_execute", note)
    explained = [
        tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all() for statement, values in statements
    ]
    return [row.detail for rows in explained for row in rows]


@pytest.mark.parametrize("work", OFTEN.values(), ids=OFTEN.keys())
async def test_nothing_asked_often_reads_or_sorts_a_whole_table(
    sqlite_url: str, work: Callable[[Connection], object]
) -> None:
    database = await Database.open(sqlite_url)
    await database.write(lambda tx: add_account(tx, units=100))
    await database.write(lambda tx: admit(tx, a_task()))
    steps = await database.write(lambda tx: plans(tx, work))
    await database.close()
    tables = [step for step in steps if step != "SCAN CONSTANT ROW"]  # counts side by side are read from no table
    slow = [step for step in tables if (step.startswith("SCAN") and "USING" not in step) or "TEMP B-TREE" in step]
    assert steps
    assert slow == []
