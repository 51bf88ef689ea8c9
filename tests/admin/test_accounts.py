"""Accounts over HTTP: the contract's document, secrets shown once, patches that change what they say and no more."""

import base64

import httpx
import pytest

from app.gateway.services import Services
from app.store import accounts
from tests.admin.support import NOW, StillClock, new_account, refused, told


async def test_a_created_account_is_answered_as_the_contract_says(admin: httpx.AsyncClient) -> None:
    created = told(await admin.post("/admin/accounts", json={"name": "Ada", "billing": "prepaid"}), 201)
    secret = created.pop("webhook_secret")
    assert created == {
        "id": created["id"],
        "name": "Ada",
        "billing": "prepaid",
        "balance_units": 0,
        "held_units": 0,
        "available_units": 0,
        "disabled": False,
        "webhook_url": None,
        "created_at": NOW,
    }
    assert created["id"].startswith("acc_")
    assert secret.startswith("whsec_")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert told(await admin.get(f"/admin/accounts/{created['id']}")) == created


async def test_a_webhook_secret_is_shown_once_and_the_old_one_signs_for_a_day(
    admin: httpx.AsyncClient, services: Services, clock: StillClock
) -> None:
    created = told(await admin.post("/admin/accounts", json={"name": "Ada"}), 201)
    place = f"/admin/accounts/{created['id']}"
    rotated = told(await admin.post(f"{place}/rotate-webhook-secret"))
    assert rotated["webhook_secret"] != created["webhook_secret"]
    row = await services.database.read(lambda tx: accounts.get(tx, created["id"]))
    assert row is not None
    assert (row.webhook_secret, row.webhook_secret_old) == (rotated["webhook_secret"], created["webhook_secret"])
    assert row.webhook_secret_old_until == clock.time + 24 * 3600
    for answer in (
        await admin.get(place),
        await admin.get("/admin/accounts"),
        await admin.patch(place, json={"name": "B"}),
    ):
        assert "whsec_" not in answer.text


async def test_a_patch_changes_what_it_says_and_nothing_else(admin: httpx.AsyncClient) -> None:
    account_id = await new_account(admin, webhook_url="https://hooks.example/oneshape")
    place = f"/admin/accounts/{account_id}"
    before = told(await admin.get(place))
    assert told(await admin.patch(place, json={"disabled": True})) == {**before, "disabled": True}
    assert told(await admin.patch(place, json={"webhook_url": None})) == {
        **before,
        "disabled": True,
        "webhook_url": None,
    }


@pytest.mark.parametrize(
    "field",
    ["is_admin", "balance_units", "held_units", "owner", "role", "webhook_secret", "id", "created_at", "query", "path"],
)
async def test_a5_a_field_that_is_not_offered_is_refused_by_name_and_changes_nothing(
    admin: httpx.AsyncClient, field: str
) -> None:
    account_id = await new_account(admin)
    place = f"/admin/accounts/{account_id}"
    before = told(await admin.get(place))
    refused(await admin.patch(place, json={"name": "Eve", field: 1}), 400, "unsupported_parameter", field)
    assert told(await admin.get(place)) == before
    refused(await admin.post("/admin/accounts", json={"name": "Eve", field: 1}), 400, "unsupported_parameter", field)
    assert len(told(await admin.get("/admin/accounts"))["items"]) == 1


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "name"),
        ({"name": None}, "invalid_value", "name"),
        ({"name": " "}, "invalid_value", "name"),
        ({"name": "a\nb"}, "invalid_value", "name"),
        ({"name": "a" * 201}, "invalid_value", "name"),
        ({"name": 5}, "invalid_value", "name"),
        ({"name": "Ada", "billing": "free"}, "invalid_value", "billing"),
        ({"name": "Ada", "webhook_url": "ftp://hooks.example"}, "invalid_value", "webhook_url"),
        ({"name": "Ada", "webhook_url": "https://user:pass@hooks.example"}, "invalid_value", "webhook_url"),
    ],
)
async def test_a_wrong_field_is_named(admin: httpx.AsyncClient, body: object, code: str, param: str) -> None:
    refused(await admin.post("/admin/accounts", json=body), 400, code, param)


@pytest.mark.parametrize("body", [b'{"name":"a","name":"b"}', b'{"name":NaN}', b"[]", b'{"name":"a\\u0000"}', b"{"])
async def test_a_body_that_parsers_disagree_about_is_refused(admin: httpx.AsyncClient, body: bytes) -> None:
    answer = await admin.post("/admin/accounts", content=body, headers={"content-type": "application/json"})
    assert told(answer, 400)["error"]["code"] == "invalid_json"


async def test_a_body_above_the_admin_limit_is_refused(admin: httpx.AsyncClient) -> None:
    refused(await admin.post("/admin/accounts", json={"name": "a" * 300_000}), 413, "request_too_large")


async def test_an_empty_patch_is_refused(admin: httpx.AsyncClient) -> None:
    account_id = await new_account(admin)
    refused(await admin.patch(f"/admin/accounts/{account_id}", json={}), 400, "invalid_value")


@pytest.mark.parametrize("account_id", ["acc_00000000000000000000000000", "' OR 1=1--", "%25_%25", "%00", "a" * 5000])
async def test_what_names_no_account_is_not_found(admin: httpx.AsyncClient, account_id: str) -> None:
    place = f"/admin/accounts/{account_id}"
    money = {"units": 1, "reason": "none"}
    refused(await admin.get(place), 404, "not_found")
    refused(await admin.patch(place, json={"name": "Eve"}), 404, "not_found")
    refused(await admin.post(f"{place}/grants", json=money), 404, "not_found")
    refused(await admin.post(f"{place}/adjustments", json=money), 404, "not_found")
    refused(await admin.post(f"{place}/rotate-webhook-secret"), 404, "not_found")
