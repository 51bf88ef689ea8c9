"""Every list of the admin API: pages that join without gap or repetition, and queries that are refused (B33)."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.admin.support import StillClock, new_account, refused, told

LISTS = (
    "/admin/accounts",
    "/admin/keys",
    "/admin/tasks",
    "/admin/audit",
    "/admin/webhooks",
    "/admin/ledger/entries",
    "/admin/catalog/revisions",
)


async def test_pages_join_newest_first_without_gap_or_repetition(admin: httpx.AsyncClient, clock: StillClock) -> None:
    made = []
    for _ in range(5):
        made.append(await new_account(admin))
        clock.time += 1
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = told(await admin.get("/admin/accounts", params=query))
        assert page.keys() == {"items", "has_more", "next_cursor"}
        seen += [item["id"] for item in page["items"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        query["after"] = page["next_cursor"]
    assert seen == made[::-1]


@pytest.mark.parametrize("place", LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "101", "1000000000", "1.5", "ten", ""])
async def test_b33_a_limit_outside_1_to_100_is_refused(admin: httpx.AsyncClient, place: str, limit: str) -> None:
    refused(await admin.get(place, params={"limit": limit}), 400, "invalid_value", "limit")


@pytest.mark.parametrize("place", LISTS)
@pytest.mark.parametrize("after", ["%_%_%", "' OR 1=1--", "\0", "x" * 5000])
async def test_b33_a_forged_cursor_is_refused(admin: httpx.AsyncClient, place: str, after: str) -> None:
    refused(await admin.get(place, params={"after": after}), 400, "invalid_value", "after")


@pytest.mark.parametrize("place", LISTS[:-2])
async def test_b33_a_cursor_of_another_list_is_refused(admin: httpx.AsyncClient, place: str) -> None:
    refused(await admin.get(place, params={"after": "med_00000000000000000000000000"}), 400, "invalid_value", "after")


@pytest.mark.parametrize("place", LISTS)
@pytest.mark.parametrize("name", ["order_by", "offset", "search", "Limit"])
async def test_b33_a_parameter_that_is_not_offered_is_refused(admin: httpx.AsyncClient, place: str, name: str) -> None:
    refused(await admin.get(place, params={name: "secret_hash"}), 400, "unsupported_parameter", name)


async def test_b33_filters_are_compared_and_never_matched(admin: httpx.AsyncClient) -> None:
    await new_account(admin, units=5)
    for place in ("/admin/keys", "/admin/ledger/entries"):
        refused(await admin.get(place, params={"account": "%"}), 400, "invalid_value", "account")
        assert told(await admin.get(place, params={"account": "acc_"}))["items"] == []


async def test_nothing_below_admin_answers_without_the_admin_key(app: FastAPI, admin: httpx.AsyncClient) -> None:
    """A3, over every route there is: neither without a key, nor with another, and before the query is looked at."""
    transport = httpx.ASGITransport(app=app)
    checked = 0
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as anybody:
        for path, operations in app.openapi()["paths"].items():
            place = path.replace("{", "").replace("}", "") + "?limit=x"
            for method in operations:
                refused(await anybody.request(method, place), 401, "missing_api_key")
                wrong = {"authorization": "Bearer sk-client"}
                refused(await anybody.request(method, place, headers=wrong), 403, "admin_only")
                checked += 1
    assert checked >= 26


async def test_every_body_is_described_without_references(app: FastAPI) -> None:
    bodies = [
        operation["requestBody"]
        for operations in app.openapi()["paths"].values()
        for method, operation in operations.items()
        if method in ("post", "patch") and "requestBody" in operation
    ]
    assert len(bodies) >= 7
    assert "$ref" not in str(bodies)
