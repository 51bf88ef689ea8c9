"""Rows that tests of the store begin with: an account with units, a key, a task."""

from typing import Any

from sqlalchemy import Connection

from app.core.task import TaskStatus
from app.store import accounts, keys, ledger, tasks
from app.store.accounts import Account, Billing
from app.store.keys import Key
from app.store.tasks import Task

NOW = 1_790_000_000.0
"""2026-09-21T14:13:20Z."""


def add_account(tx: Connection, account_id: str = "acc_1", *, units: int = 0, billing: Billing = "prepaid") -> None:
    """An account with one key, `key_` and the account's number, and a grant."""
    accounts.create(tx, Account(account_id, "Test", billing, NOW))
    add_key(tx, account_id.replace("acc", "key"), account_id=account_id)
    if units:
        ledger.grant(tx, account_id=account_id, units=units, reason="test", actor="test", at=NOW)


def add_key(tx: Connection, key_id: str, *, account_id: str = "acc_1", **limits: Any) -> None:
    """A key whose secret's hash is made of its id."""
    keys.create(tx, Key(key_id, account_id, "Test", f"hash-{key_id}", "abcd", NOW, **limits))


def hold(tx: Connection, charge_id: str, units: int, *, account_id: str = "acc_1", at: float = NOW) -> None:
    """A hold on the account alone."""
    ledger.hold(tx, charge_id=charge_id, account_id=account_id, key=None, units=units, price={}, at=at)


def hold_on_key(tx: Connection, charge_id: str, units: int, budget: ledger.KeyBudget, *, at: float = NOW) -> None:
    """A hold on a key and its account."""
    ledger.hold(tx, charge_id=charge_id, account_id="acc_1", key=budget, units=units, price={"per_image": 1}, at=at)


def a_task(task_id: str = "task_1", **values: Any) -> Task:
    """A queued task of `acc_1` for one picture at 10 units."""
    given: dict[str, Any] = {
        "id": task_id,
        "account_id": "acc_1",
        "key_id": "key_1",
        "model": "nano-banana-2-1k",
        "surface": "image_tasks",
        "mode": "async",
        "status": TaskStatus.QUEUED,
        "request": {"prompt": "a mug"},
        "n": 1,
        "price_units": 10,
        "hold_units": 10,
        "catalog_revision": 1,
        "created_at": NOW,
        "deadline_at": NOW + 900,
    }
    return Task(**(given | values))


def admit(tx: Connection, task: Task) -> None:
    """A task with its hold, as admission writes them."""
    tasks.create(tx, task)
    hold(tx, task.id, task.hold_units, account_id=task.account_id)
