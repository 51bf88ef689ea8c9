"""One walk through what operators change, on the other database."""

import httpx
import pytest

from tests.admin.support import new_account, new_key, refused, told


@pytest.fixture
def database_url(postgresql_copy: str) -> str:
    return postgresql_copy


async def test_operators_change_the_same_on_postgresql(admin: httpx.AsyncClient) -> None:
    account_id = await new_account(admin, units=1000)
    place = f"/admin/accounts/{account_id}"
    told(await admin.post(f"{place}/adjustments", json={"units": -1000, "reason": "r"}), 201)
    refused(await admin.post(f"{place}/adjustments", json={"units": -1, "reason": "r"}), 400, "invalid_value", "units")
    told(await admin.post(f"{place}/rotate-webhook-secret"))
    assert told(await admin.patch(place, json={"billing": "unlimited"}))["billing"] == "unlimited"
    key = await new_key(admin, account_id, models=["words"], budget={"units": 5, "period": "day"})
    assert told(await admin.patch(f"/admin/keys/{key['id']}", json={"budget": None}))["budget"] is None
    assert told(await admin.post(f"/admin/keys/{key['id']}/revoke"))["revoked_at"] is not None
    assert len(told(await admin.get("/admin/ledger/entries", params={"account": account_id}))["items"]) == 2
    assert told(await admin.get("/admin/ledger/verify"))["ok"]


async def test_b33_what_postgresql_cannot_even_compare_never_reaches_it(admin: httpx.AsyncClient) -> None:
    for place in ("/admin/accounts", "/admin/keys", "/admin/tasks", "/admin/audit", "/admin/webhooks"):
        refused(await admin.get(place, params={"after": "acc_\0"}), 400, "invalid_value", "after")
    for name in ("account", "key", "model", "vendor"):
        refused(await admin.get("/admin/tasks", params={name: "a\0"}), 400, "invalid_value", name)
    for place in ("/admin/accounts/%00", "/admin/keys/%00", "/admin/tasks/%00"):
        refused(await admin.get(place), 404, "not_found")
