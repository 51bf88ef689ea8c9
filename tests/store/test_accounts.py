"""Accounts and keys: found by hash, paged, patched within limits, and gone when revoked."""

from functools import partial

import pytest
from sqlalchemy.exc import IntegrityError

from app.core.errors import InvalidRequest
from app.store import accounts, keys
from app.store.accounts import Account
from app.store.database import Database
from app.store.keys import Key
from tests.store.rows import NOW, add_account, add_key, hold


async def test_a_key_is_found_by_its_hash_with_its_account(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, units=5))
    await database.write(
        lambda tx: add_key(tx, "key_2", models=["a", "b"], budget_units=9, budget_period="day", concurrency=3)
    )
    found = await database.read(lambda tx: keys.find_by_hash(tx, "hash-key_2"))
    assert found is not None
    key, account = found
    assert (key.id, key.models, key.budget_units, key.budget_period) == ("key_2", ("a", "b"), 9, "day")
    assert (account.id, account.balance_units) == ("acc_1", 5)
    assert await database.read(lambda tx: keys.find_by_hash(tx, "hash-key_9")) is None


async def test_two_keys_never_share_a_hash(database: Database) -> None:
    await database.write(add_account)
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: keys.create(tx, Key("key_9", "acc_1", "n", "hash-key_1", "abcd", NOW)))


async def test_a_hash_is_not_in_repr(database: Database) -> None:
    await database.write(add_account)
    key = await database.read(lambda tx: keys.get(tx, "key_1"))
    assert key is not None
    assert "hash-key_1" not in repr(key)


async def test_a_key_belongs_to_an_account_that_exists(database: Database) -> None:
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: add_key(tx, "key_1", account_id="acc_none"))


async def test_a_patch_changes_what_it_names_and_null_means_no_limit(database: Database) -> None:
    await database.write(add_account)
    patched = await database.write(
        lambda tx: keys.patch(
            tx, "key_1", {"name": "New", "models": ["a"], "budget_units": 0, "budget_period": "total"}
        )
    )
    assert patched is not None
    assert (patched.name, patched.models, patched.budget_units) == ("New", ("a",), 0)
    unlimited = await database.write(
        lambda tx: keys.patch(tx, "key_1", {"models": None, "budget_units": None, "budget_period": None})
    )
    assert unlimited is not None
    assert (unlimited.models, unlimited.budget_units) == (None, None)
    assert await database.write(lambda tx: keys.patch(tx, "key_none", {"name": "x"})) is None


async def test_a_key_is_revoked_once_and_for_good(database: Database) -> None:
    await database.write(add_account)
    await database.write(lambda tx: keys.revoke(tx, "key_1", at=NOW + 5))
    again = await database.write(lambda tx: keys.revoke(tx, "key_1", at=NOW + 9))
    assert again is not None
    assert again.revoked_at == NOW + 5


async def test_lists_are_paged_newest_first(database: Database) -> None:
    for number in range(5):
        account = Account(f"acc_{number}", "Test", "prepaid", NOW + number)
        await database.write(partial(accounts.create, account=account))
    first = await database.read(lambda tx: accounts.list_page(tx, limit=3))
    assert [account.id for account in first.items] == ["acc_4", "acc_3", "acc_2"]
    assert first.has_more
    second = await database.read(lambda tx: accounts.list_page(tx, after=first.next_cursor, limit=3))
    assert [account.id for account in second.items] == ["acc_1", "acc_0"]
    assert not second.has_more
    await database.write(lambda tx: add_key(tx, "key_b", account_id="acc_1"))
    await database.write(lambda tx: add_key(tx, "key_a", account_id="acc_0"))
    mine = await database.read(lambda tx: keys.list_page(tx, account_id="acc_1"))
    assert [key.id for key in mine.items] == ["key_b"]
    assert len((await database.read(keys.list_page)).items) == 2


async def test_an_account_in_debt_cannot_become_prepaid(database: Database) -> None:
    await database.write(lambda tx: add_account(tx, billing="unlimited"))
    await database.write(lambda tx: hold(tx, "task_1", 5))
    with pytest.raises(InvalidRequest):
        await database.write(lambda tx: accounts.patch(tx, "acc_1", {"billing": "prepaid"}))
    patched = await database.write(lambda tx: accounts.patch(tx, "acc_1", {"disabled": True, "name": "New"}))
    assert patched is not None
    assert (patched.billing, patched.disabled, patched.name) == ("unlimited", True, "New")
    assert await database.write(lambda tx: accounts.patch(tx, "acc_none", {"billing": "prepaid"})) is None


async def test_counters_cannot_be_patched(database: Database) -> None:
    await database.write(add_account)
    with pytest.raises(AssertionError):
        await database.write(lambda tx: accounts.patch(tx, "acc_1", {"balance_units": 10**9}))
