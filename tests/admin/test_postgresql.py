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
