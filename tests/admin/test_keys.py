"""Keys over HTTP: the secret is shown once and works at once, limits and budgets are what was said."""

from typing import Any

import httpx
import pytest

from app.core.errors import Unauthenticated
from app.gateway.services import Services
from app.store import keys, ledger
from app.store.database import Tx
from app.store.ledger import KeyBudget
from tests.admin.support import NOW, StillClock, new_account, new_key, refused, told


async def test_a_created_key_is_answered_as_the_contract_says_and_its_secret_never_again(
    admin: httpx.AsyncClient, services: Services
) -> None:
    account_id = await new_account(admin)
    created = await new_key(admin, account_id)
    secret = created.pop("key")
    assert created == {
        "id": created["id"],
        "account_id": account_id,
        "name": "app",
        "hint": secret[-4:],
        "models": None,
        "budget": None,
        "budget_usage": None,
        "requests_per_minute": None,
        "concurrency": None,
        "expires_at": None,
        "chat_image_style": "markdown",
        "created_at": NOW,
        "revoked_at": None,
    }
    assert secret.startswith("sk-")
    assert (await services.callers.authenticate(secret)).key.id == created["id"]
    place = f"/admin/keys/{created['id']}"
    assert told(await admin.get(place)) == created
    for answer in (
        await admin.get("/admin/keys"),
        await admin.get("/admin/audit"),
        await admin.post(f"{place}/revoke"),
    ):
        assert secret not in answer.text
    row = await services.database.read(lambda tx: keys.get(tx, created["id"]))
    assert row is not None
    assert secret not in repr(row)
    assert secret not in row.secret_hash


async def test_everything_that_a_key_may_be_given_is_kept(admin: httpx.AsyncClient) -> None:
    given: dict[str, Any] = {
        "models": ["nano-banana-pro", "gpt-small"],
        "budget": {"units": 7_000_000, "period": "month"},
        "requests_per_minute": 60,
        "concurrency": 5,
        "expires_at": NOW + 60,
        "chat_image_style": "data",
    }
    key = await new_key(admin, await new_account(admin), **given)
    assert given.items() <= told(await admin.get(f"/admin/keys/{key['id']}")).items()


async def test_a_key_tells_what_is_left_of_its_budget_in_this_period(
    admin: httpx.AsyncClient, services: Services, clock: StillClock
) -> None:
    account_id = await new_account(admin, units=1000)
    key = await new_key(admin, account_id, budget={"units": 100, "period": "day"})
    budget = KeyBudget(key["id"], 100, "day")

    def hold(tx: Tx) -> None:
        for charge, units in (("task_0", 30), ("task_1", 20)):
            ledger.hold(tx, charge_id=charge, account_id=account_id, key=budget, units=units, price={}, at=NOW)

    await services.database.write(hold)
    await services.database.write(lambda tx: ledger.capture(tx, charge_id="task_0", units=25, at=NOW))
    place = f"/admin/keys/{key['id']}"
    usage = {"period": "2026-09-21", "held_units": 20, "spent_units": 25, "available_units": 55}
    assert told(await admin.get(place))["budget_usage"] == usage
    assert told(await admin.get("/admin/keys"))["items"][0]["budget_usage"] == usage
    clock.time += 24 * 3600
    usage = {"period": "2026-09-22", "held_units": 0, "spent_units": 0, "available_units": 100}
    assert told(await admin.get(place))["budget_usage"] == usage


async def test_a_patch_changes_what_it_says_and_null_takes_a_limit_away(admin: httpx.AsyncClient) -> None:
    key = await new_key(admin, await new_account(admin), budget={"units": 1, "period": "total"}, concurrency=2)
    place = f"/admin/keys/{key['id']}"
    before = told(await admin.get(place))
    after = told(await admin.patch(place, json={"budget": None, "models": ["gpt-small"]}))
    assert after == {**before, "budget": None, "budget_usage": None, "models": ["gpt-small"]}
    assert told(await admin.get(place)) == after


@pytest.mark.parametrize(
    "field", ["is_admin", "spent", "owner", "allowed_models", "role", "account_id", "secret_hash", "revoked_at", "key"]
)
async def test_a5_a_field_that_is_not_offered_is_refused_by_name_and_changes_nothing(
    admin: httpx.AsyncClient, field: str
) -> None:
    key = await new_key(admin, await new_account(admin), models=["gpt-small"])
    place = f"/admin/keys/{key['id']}"
    before = told(await admin.get(place))
    refused(await admin.patch(place, json={"models": None, field: None}), 400, "unsupported_parameter", field)
    assert told(await admin.get(place)) == before


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"models": "gpt-small"}, "models"),
        ({"models": [1]}, "models[0]"),
        ({"budget": 5}, "budget"),
        ({"budget": {"units": 5, "period": "week"}}, "budget.period"),
        ({"budget": {"units": -1, "period": "day"}}, "budget.units"),
        ({"budget": {"units": True, "period": "day"}}, "budget.units"),
        ({"requests_per_minute": 0}, "requests_per_minute"),
        ({"requests_per_minute": 2**40}, "requests_per_minute"),
        ({"concurrency": True}, "concurrency"),
        ({"expires_at": "2026-01-01"}, "expires_at"),
        ({"expires_at": -1}, "expires_at"),
        ({"chat_image_style": "html"}, "chat_image_style"),
    ],
)
async def test_a_wrong_field_is_named(admin: httpx.AsyncClient, fields: dict[str, Any], param: str) -> None:
    body = {"account_id": await new_account(admin), "name": "app", **fields}
    refused(await admin.post("/admin/keys", json=body), 400, "invalid_value", param)


async def test_a_budget_needs_units_and_period(admin: httpx.AsyncClient) -> None:
    body = {"account_id": await new_account(admin), "name": "app", "budget": {"units": 5}}
    refused(await admin.post("/admin/keys", json=body), 400, "missing_required_parameter", "budget.period")


async def test_a_key_needs_an_account_that_exists(admin: httpx.AsyncClient) -> None:
    body = {"account_id": "acc_00000000000000000000000000", "name": "app"}
    refused(await admin.post("/admin/keys", json=body), 404, "not_found", "account_id")


async def test_a_revoked_key_stays_revoked_and_opens_nothing(
    admin: httpx.AsyncClient, services: Services, clock: StillClock
) -> None:
    key = await new_key(admin, await new_account(admin))
    place = f"/admin/keys/{key['id']}"
    assert told(await admin.post(f"{place}/revoke"))["revoked_at"] == NOW
    clock.time += 100
    assert told(await admin.post(f"{place}/revoke"))["revoked_at"] == NOW
    with pytest.raises(Unauthenticated):
        await services.callers.authenticate(key["key"])
    refused(await admin.patch(place, json={"revoked_at": None}), 400, "unsupported_parameter", "revoked_at")


@pytest.mark.parametrize("key_id", ["key_00000000000000000000000000", "' OR 1=1--", "%00"])
async def test_what_names_no_key_is_not_found(admin: httpx.AsyncClient, key_id: str) -> None:
    refused(await admin.get(f"/admin/keys/{key_id}"), 404, "not_found")
    refused(await admin.patch(f"/admin/keys/{key_id}", json={"name": "x"}), 404, "not_found")
    refused(await admin.post(f"/admin/keys/{key_id}/revoke"), 404, "not_found")


async def test_keys_are_listed_by_account(admin: httpx.AsyncClient) -> None:
    first, second = await new_account(admin), await new_account(admin)
    mine, other = await new_key(admin, first), await new_key(admin, second)
    listed = told(await admin.get("/admin/keys", params={"account": first}))["items"]
    assert [item["id"] for item in listed] == [mine["id"]]
    everything = told(await admin.get("/admin/keys"))["items"]
    assert {item["id"] for item in everything} == {mine["id"], other["id"]}
