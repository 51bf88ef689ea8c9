"""`ledger verify` is silent about a ledger in order and finds each planted corruption."""

from functools import partial

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from app.core.attempt import AttemptState
from app.core.task import TaskStatus
from app.store import attempts, chats, leases, ledger, media, tasks
from app.store.attempts import Attempt, Result
from app.store.chats import Chat
from app.store.database import Database
from app.store.leases import Lease
from app.store.ledger_verify import verify
from app.store.media import Media
from app.store.tasks import Finish
from tests.store.rows import NOW, a_task, add_account, admit, hold, hold_on_key

PICTURE = Media("med_1", "task_1", "acc_1", "output", 0, "image/png", "png", 8, 8, 99, "00", NOW, NOW + 9)


def serve_a_task(tx: Connection) -> None:
    """A task for two pictures of which one came: charged 10 of 20 held; and another that is still in the queue."""
    admit(tx, a_task(n=2, hold_units=20))
    leases.claim(tx, Lease("w", "t", 60), at=NOW)
    attempts.intend(tx, Attempt("att_1", "task_1", 0, 0, "v", "m", 2, NOW))
    attempts.mark_sent(tx, "att_1", at=NOW)
    attempts.resolve(tx, "att_1", Result(AttemptState.ACCEPTED, images_delivered=1), at=NOW)
    media.insert_all(tx, [PICTURE])
    ledger.capture(tx, charge_id="task_1", units=10, at=NOW)
    done = Finish(TaskStatus.SUCCEEDED, units=10, images_delivered=1)
    tasks.finish(tx, "task_1", lease_token="t", outcome=done, at=NOW)
    admit(tx, a_task("task_2"))


def serve_a_chat(tx: Connection) -> None:
    """A text request on a key with a budget."""
    hold_on_key(tx, "chat_1", 50, ledger.KeyBudget("key_1", 100, "month"))
    ledger.capture(tx, charge_id="chat_1", units=30, at=NOW)
    chats.record(tx, Chat("chat_1", "acc_1", "key_1", "gpt-small", "succeeded", NOW, NOW, units=30))


@pytest.fixture
async def busy(database: Database) -> Database:
    """A database in which a little of everything has happened; one account holds all that it has."""
    await database.write(lambda tx: add_account(tx, units=1_000))
    await database.write(lambda tx: add_account(tx, "acc_2", billing="unlimited"))
    await database.write(lambda tx: add_account(tx, "acc_3", units=10))
    await database.write(lambda tx: hold(tx, "chat_3", 10, account_id="acc_3"))
    await database.write(serve_a_task)
    await database.write(serve_a_chat)
    return database


def drop_guards(tx: Connection) -> None:
    """Takes away what would refuse a corruption: triggers and unique indexes."""
    triggers = (
        ["ledger_entries_no_update", "ledger_entries_no_delete"]
        if tx.dialect.name == "sqlite"
        else ["ledger_entries_no_change ON ledger_entries", "ledger_entries_no_truncate ON ledger_entries"]
    )
    for trigger in triggers:
        tx.execute(text(f"DROP TRIGGER {trigger}"))
    tx.execute(text("DROP INDEX uq_ledger_entries_resolution"))
    tx.execute(text("DROP INDEX uq_ledger_entries_hold"))


async def violations(database: Database) -> list[str]:
    return list((await database.read(verify)).violations)


async def test_a_ledger_in_order_has_no_violations(busy: Database) -> None:
    found = await busy.read(verify)
    assert found.violations == ()
    assert found.ok
    assert (found.entries, found.accounts) == (8, 3)


async def test_l6_missing_triggers_are_a_violation(busy: Database) -> None:
    await busy.write(drop_guards)
    assert await violations(busy) == ["L6: the triggers that refuse changes of the ledger are missing"]


AGAIN = (
    "INSERT INTO ledger_entries (account_id, key_id, period, charge_id, kind, units, hold_units, estimated, at)"
    " SELECT account_id, key_id, period, charge_id, kind, units, hold_units, estimated, at FROM ledger_entries WHERE "
)

SECOND_ATTEMPT = (
    "INSERT INTO attempts (id, task_id, slot, ordinal, vendor, vendor_model, state, images_asked, images_delivered,"
    " cost_units, exposure_units, created_at) VALUES ('att_2', 'task_1', 0, 1, 'v', 'm', 'unknown', 1, 0, 0, 0, 0)"
)

PLANTED = {
    "a balance that was edited": ("UPDATE accounts SET balance_units = 961", "L1: account acc_1"),
    "a hold that was forgotten": ("UPDATE accounts SET held_units = 0", "L1: account acc_1"),
    "an account out of nothing": ("UPDATE accounts SET balance_units = 5 WHERE id = 'acc_2'", "L1: account acc_2"),
    "a budget that was reset": ("UPDATE key_periods SET spent_units = 0", "L1: key key_1"),
    "a budget that vanished": ("DELETE FROM key_periods", "L1: key key_1"),
    "a grant that was deleted": ("DELETE FROM ledger_entries WHERE kind = 'grant'", "L1: account acc_1"),
    "a hold that was deleted": (
        "DELETE FROM ledger_entries WHERE kind = 'hold' AND charge_id = 'chat_1'",
        "L1: charge chat_1 was resolved by entry",
    ),
    "a capture that was deleted": (
        "DELETE FROM ledger_entries WHERE kind = 'capture' AND charge_id = 'task_1'",
        "L5: task task_1 is succeeded, but its charge is open",
    ),
    "a capture that was raised": (
        "UPDATE ledger_entries SET units = 11 WHERE charge_id = 'task_1' AND kind = 'capture'",
        "L16: task task_1 says 10 units, but 11 were captured",
    ),
    "a second capture": (AGAIN + "charge_id = 'task_1' AND kind = 'capture'", "L3: charge task_1 was resolved 2 times"),
    "a second hold": (AGAIN + "charge_id = 'task_2' AND kind = 'hold'", "L7: charge task_2 was held 2 times"),
    "a capture in another month": (
        "UPDATE ledger_entries SET period = '2026-10' WHERE kind = 'capture' AND charge_id = 'chat_1'",
        "L15: charge chat_1 was resolved in the period 2026-10, but held in 2026-09",
    ),
    "a capture on another account": (
        "UPDATE ledger_entries SET account_id = 'acc_2' WHERE kind = 'capture' AND charge_id = 'chat_1'",
        "L1: charge chat_1 was resolved by entry",
    ),
    "a charge that was resolved while its task waits": (
        "UPDATE ledger_entries SET charge_id = 'task_2' WHERE charge_id = 'chat_1' AND kind = 'capture'",
        "L5: task task_2 is queued, but its charge is capture",
    ),
    "a task without a hold": (
        "UPDATE ledger_entries SET charge_id = 'other' WHERE charge_id = 'task_2'",
        "L1: task task_2 was admitted with a hold of 10 units; the ledger's is -1",
    ),
    "a charge for more pictures": (
        "UPDATE tasks SET images_delivered = 2 WHERE id = 'task_1'",
        "L8: task task_1 was charged 10 units for 2 images at 10",
    ),
    "a picture that is gone": ("DELETE FROM media", "L8: task task_1 was charged 10 units with 0 stored and 1"),
    "a picture that nobody drew": ("UPDATE attempts SET state = 'refused'", "with 1 stored and 0 accepted"),
    "a call that was paid twice": (
        SECOND_ATTEMPT,
        "L11: task task_1, call 0, was possibly accepted 2 times",
    ),
    "a chat that says another charge": ("UPDATE chats SET units = 29", "L16: chat chat_1 says 29 units, but 30"),
}


async def test_verifying_millions_of_entries_is_not_cut_as_a_request_would_be(postgresql_copy: str) -> None:
    database = await Database.open(postgresql_copy)

    def limit(tx: Connection) -> str:
        verify(tx)
        return str(tx.exec_driver_sql("SHOW statement_timeout").scalar_one())

    assert await database.read(limit) == "10min"
    assert await database.read(lambda tx: tx.exec_driver_sql("SHOW statement_timeout").scalar_one()) == "10s"
    await database.close()


class Undone(Exception):
    """Rolls a corruption back; carries what was found meanwhile."""


def corrupt(tx: Connection, *, statement: str) -> None:
    drop_guards(tx)
    tx.execute(text(statement))
    raise Undone(*verify(tx).violations)


async def test_each_planted_corruption_is_found(busy: Database) -> None:
    missed = []
    for name, (statement, found) in PLANTED.items():
        with pytest.raises(Undone) as undone:
            await busy.write(partial(corrupt, statement=statement))
        if not any(found in violation for violation in undone.value.args):
            missed.append((name, undone.value.args))
    assert missed == []


CHECKED: dict[str, tuple[str, str, str]] = {
    "l2_overspent": ("accounts", "no_overspend", "UPDATE accounts SET held_units = 2000 WHERE id = 'acc_1'"),
    "l4_unbounded": (
        "ledger_entries",
        "bounded_capture",
        "UPDATE ledger_entries SET units = 51 WHERE charge_id = 'chat_1' AND kind = 'capture'",
    ),
    "l13_negative": ("ledger_entries", "sign", "UPDATE ledger_entries SET units = -1 WHERE kind = 'grant'"),
    "l13_too_large": ("ledger_entries", "range", "UPDATE ledger_entries SET units = 9007199254740992 WHERE seq = 1"),
}


def unchecked(tx: Connection, *, table: str, check: str, statement: str) -> None:
    """Writes what a CHECK refuses."""
    if tx.dialect.name == "sqlite":
        tx.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
    else:
        tx.execute(text(f"ALTER TABLE {table} DROP CONSTRAINT ck_{table}_{check}"))
    tx.execute(text(statement))


@pytest.mark.parametrize(("table", "check", "statement"), CHECKED.values(), ids=CHECKED.keys())
async def test_what_a_check_refuses_is_found_without_it(
    busy: Database, table: str, check: str, statement: str, request: pytest.FixtureRequest
) -> None:
    await busy.write(drop_guards)
    with pytest.raises(IntegrityError, match=check):
        await busy.write(lambda tx: tx.execute(text(statement)).rowcount)
    await busy.write(partial(unchecked, table=table, check=check, statement=statement))
    rule = request.node.callspec.id.rpartition("-")[2].partition("_")[0].upper()
    assert [violation for violation in await violations(busy) if violation.startswith(f"{rule}: ")]
