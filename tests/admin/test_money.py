"""Grants, adjustments and the ledger over HTTP: whole numbers, never below what is held, every entry listed."""

from typing import Any

import httpx
import pytest

from app.core.pricing import MAX_UNITS
from app.gateway.services import Services
from app.store import ledger
from tests.admin.support import NOW, new_account, refused, told


async def test_a_grant_is_answered_as_its_entry_and_counts_at_once(admin: httpx.AsyncClient) -> None:
    account_id = await new_account(admin)
    body = {"units": 5_000_000, "reason": "invoice 7"}
    entry = told(await admin.post(f"/admin/accounts/{account_id}/grants", json=body), 201)
    assert entry | {"id": 1} == {
        "id": 1,
        "kind": "grant",
        "units": 5_000_000,
        "account_id": account_id,
        "key_id": None,
        "charge_id": None,
        "hold_units": None,
        "period": None,
        "price": None,
        "estimated": False,
        "reason": "invoice 7",
        "actor": "admin",
        "created_at": NOW,
    }
    account = told(await admin.get(f"/admin/accounts/{account_id}"))
    assert (account["balance_units"], account["available_units"]) == (5_000_000, 5_000_000)


async def test_what_is_held_is_in_the_balance_and_not_available(admin: httpx.AsyncClient, services: Services) -> None:
    account_id = await new_account(admin, units=100)
    await services.database.write(
        lambda tx: ledger.hold(tx, charge_id="task_1", account_id=account_id, key=None, units=30, price={}, at=NOW)
    )
    account = told(await admin.get(f"/admin/accounts/{account_id}"))
    assert [account[f"{name}_units"] for name in ("balance", "held", "available")] == [100, 30, 70]


async def test_an_adjustment_may_take_units_away_but_none_that_are_held(
    admin: httpx.AsyncClient, services: Services
) -> None:
    account_id = await new_account(admin, units=100)
    await services.database.write(
        lambda tx: ledger.hold(tx, charge_id="task_1", account_id=account_id, key=None, units=30, price={}, at=NOW)
    )
    place = f"/admin/accounts/{account_id}/adjustments"
    refused(await admin.post(place, json={"units": -71, "reason": "r"}), 400, "invalid_value", "units")
    assert told(await admin.post(place, json={"units": -70, "reason": "r"}), 201)["units"] == -70
    assert told(await admin.get(f"/admin/accounts/{account_id}"))["available_units"] == 0


@pytest.mark.parametrize("units", [True, 1.0, "1", None, MAX_UNITS + 1, -MAX_UNITS - 1, 0])
async def test_units_are_whole_numbers_that_fit(admin: httpx.AsyncClient, units: Any) -> None:
    place = f"/admin/accounts/{await new_account(admin)}"
    for verb in ("grants", "adjustments"):
        refused(
            await admin.post(f"{place}/{verb}", json={"units": units, "reason": "r"}), 400, "invalid_value", "units"
        )
    assert told(await admin.get("/admin/ledger/entries"))["items"] == []


async def test_a_grant_is_positive_and_has_a_reason(admin: httpx.AsyncClient) -> None:
    place = f"/admin/accounts/{await new_account(admin)}/grants"
    refused(await admin.post(place, json={"units": -1, "reason": "r"}), 400, "invalid_value", "units")
    refused(await admin.post(place, json={"units": 1}), 400, "missing_required_parameter", "reason")
    refused(await admin.post(place, json={"units": 1, "reason": ""}), 400, "invalid_value", "reason")


async def test_entries_are_listed_newest_first_by_account_and_kind(admin: httpx.AsyncClient) -> None:
    first, second = await new_account(admin, units=1), await new_account(admin, units=2)
    told(await admin.post(f"/admin/accounts/{first}/adjustments", json={"units": 3, "reason": "r"}), 201)

    async def units(**query: str | int) -> list[int]:
        return [item["units"] for item in told(await admin.get("/admin/ledger/entries", params=query))["items"]]

    assert await units() == [3, 2, 1]
    assert await units(account=first) == [3, 1]
    assert await units(account=second, kind="grant") == [2]
    assert await units(kind="hold") == []
    page = told(await admin.get("/admin/ledger/entries", params={"limit": 2}))
    assert page["has_more"]
    assert await units(limit=2, after=page["next_cursor"]) == [1]


async def test_the_proof_says_how_much_was_checked_and_what_is_wrong(
    admin: httpx.AsyncClient, services: Services
) -> None:
    account_id = await new_account(admin, units=10)
    assert told(await admin.get("/admin/ledger/verify")) == {
        "ok": True,
        "entries": 1,
        "accounts": 1,
        "violations": [],
    }
    spoil = f"UPDATE accounts SET balance_units = 11 WHERE id = '{account_id}'"
    await services.database.write(lambda tx: tx.exec_driver_sql(spoil))
    proof = told(await admin.get("/admin/ledger/verify"))
    assert not proof["ok"]
    assert account_id in proof["violations"][0]
