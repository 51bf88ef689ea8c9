"""The audit log: every change by an operator is in it, with what differs and without secrets, or it did not happen."""

from typing import Any

import httpx

from app.gateway.services import Services
from tests.admin.support import NOW, new_account, new_key, refused, told


async def changes(admin: httpx.AsyncClient, subject: str) -> list[Any]:
    """What was done to one subject."""
    items: list[Any] = told(await admin.get("/admin/audit", params={"subject": subject}))["items"]
    return items


async def test_every_change_of_an_account_is_told_with_before_and_after(admin: httpx.AsyncClient) -> None:
    account_id = await new_account(admin, units=500)
    place = f"/admin/accounts/{account_id}"
    told(await admin.patch(place, json={"name": "Bea", "billing": "prepaid"}))
    told(await admin.post(f"{place}/rotate-webhook-secret"))
    told(await admin.post(f"{place}/adjustments", json={"units": -20, "reason": "typo"}), 201)
    found = {change["action"]: (change["before"], change["after"]) for change in await changes(admin, account_id)}
    assert found["account.created"] == (None, {"name": "Ada", "billing": "prepaid", "webhook_url": None})
    assert found["account.changed"] == ({"name": "Ada"}, {"name": "Bea"})
    assert found["account.webhook_secret_rotated"] == (None, {"webhook_secret_old_until": NOW + 24 * 3600})
    before, after = found["account.adjusted"]
    assert before == {"balance_units": 500}
    assert after | {"entry": 0} == {"balance_units": 480, "units": -20, "reason": "typo", "entry": 0}


async def test_every_change_of_a_key_is_told_with_before_and_after(admin: httpx.AsyncClient) -> None:
    key = await new_key(admin, await new_account(admin), models=["a"])
    place = f"/admin/keys/{key['id']}"
    told(await admin.patch(place, json={"models": ["a", "b"], "budget": {"units": 5, "period": "day"}}))
    told(await admin.post(f"{place}/revoke"))
    found = {change["action"]: change for change in await changes(admin, key["id"])}
    created, changed, revoked = (found[f"key.{verb}"] for verb in ("created", "changed", "revoked"))
    assert [change["actor"] for change in (created, changed, revoked)] == ["admin"] * 3
    assert created["after"]["models"] == ["a"]
    assert changed["before"] == {"models": ["a"], "budget_units": None, "budget_period": None}
    assert changed["after"] == {"models": ["a", "b"], "budget_units": 5, "budget_period": "day"}
    assert (revoked["before"], revoked["after"]) == ({"revoked_at": None}, {"revoked_at": NOW})


async def test_no_secret_is_in_the_audit_log(admin: httpx.AsyncClient, services: Services) -> None:
    created = told(await admin.post("/admin/accounts", json={"name": "Ada"}), 201)
    rotated = told(await admin.post(f"/admin/accounts/{created['id']}/rotate-webhook-secret"))
    key = await new_key(admin, created["id"])
    log = (await admin.get("/admin/audit")).text
    stored = await services.database.read(lambda tx: tx.exec_driver_sql("SELECT secret_hash FROM keys").scalar_one())
    for secret in (created["webhook_secret"], rotated["webhook_secret"], key["key"], stored):
        assert secret not in log
    assert "account.webhook_secret_rotated" in log


async def test_what_is_refused_or_changes_nothing_is_not_in_the_audit_log(admin: httpx.AsyncClient) -> None:
    account_id = await new_account(admin, units=10)
    place = f"/admin/accounts/{account_id}"
    before = await changes(admin, account_id)
    told(await admin.patch(place, json={"name": "Ada"}))
    refused(await admin.post(f"{place}/adjustments", json={"units": -11, "reason": "r"}), 400, "invalid_value", "units")
    refused(await admin.patch(place, json={"name": ""}), 400, "invalid_value", "name")
    assert await changes(admin, account_id) == before
