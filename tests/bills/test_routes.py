"""Bills and the report over HTTP and on the command line, from real pictures to a real file."""

import csv
import io
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.gateway import ADMIN_KEY, Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")
CSV = {"content-type": "text/csv"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("bills")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(gateway: Running) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as client:
        yield client


async def test_a_vendors_bill_is_held_against_what_its_pictures_were_charged(
    gateway: Running, admin: httpx.AsyncClient
) -> None:
    async with gateway.client() as client:
        body = {"model": "nano-banana-pro-1k@uniall-tasks", "prompt": "a cube"}
        drawn = [(await client.post("/v1/images/generations", json=body)).json() for _ in range(2)]
    tasks = [(await admin.get(f"/admin/tasks/{one['oneshape']['task_id']}")).json()["attempts"][0] for one in drawn]
    handles = [attempt["handle"] for attempt in tasks]
    assert all(handles)
    content = "task_id,amount\n" + f"{handles[0]},0.05\n=evil,1\n"
    made = await admin.post("/admin/bills?vendor=uniall-tasks&name=nov.csv", content=content, headers=CSV)
    assert made.status_code == 201, made.text
    bill = made.json()
    assert {match: sums["lines"] for match, sums in bill["matches"].items()} in (
        {"differs": 1, "unmatched": 1},
        {"matched": 1, "unmatched": 1},
    )
    again = await admin.post("/admin/bills?vendor=uniall-tasks&name=nov.csv", content=content, headers=CSV)
    assert (again.status_code, again.json()["repeated"], again.json()["id"]) == (200, True, bill["id"])
    lines = (await admin.get(f"/admin/bills/{bill['id']}/lines?limit=1")).json()
    assert (lines["items"][0]["attempt_id"], lines["has_more"]) == (tasks[0]["id"], True)
    more = (await admin.get(f"/admin/bills/{bill['id']}/lines?after={lines['next_cursor']}")).json()
    assert [line["match"] for line in more["items"]] == ["unmatched"]
    assert [one["id"] for one in (await admin.get("/admin/bills")).json()["items"]] == [bill["id"]]
    report = (await admin.get("/admin/reconciliation?by=total&vendor=uniall-tasks")).json()["items"]
    mine = next(row for row in report if row["attempts"])
    assert (mine["attempts"], mine["images"], mine["charged_units"], mine["billed_units"]) == (2, 2, 268_000, 50_000)
    printed = (await admin.get("/admin/reconciliation?by=total&vendor=uniall-tasks&format=csv")).text
    rows = list(csv.DictReader(io.StringIO(printed)))
    assert [int(row["billed_units"]) for row in rows] == [row["billed_units"] for row in report]
    withdrawn = await admin.post(f"/admin/bills/{bill['id']}/withdraw")
    assert withdrawn.status_code == 200
    assert (await admin.get(f"/admin/bills/{bill['id']}")).status_code == 404


async def test_a_bill_that_cannot_be_read_is_told_line_by_line(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/admin/bills?vendor=ccapi", content="id,amount\na,b\nc,d\n", headers=CSV)
    assert answer.status_code == 400
    assert [error[:6] for error in answer.json()["oneshape"]["errors"]] == ["line 2", "line 3"]
    assert (await admin.get("/admin/bills?vendor=ccapi")).json()["items"] == []


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("vendor=nobody", CSV, 404),
        ("", CSV, 400),
        ("vendor=ccapi&other=1", CSV, 400),
        ("vendor=ccapi", {"content-type": "application/json"}, 415),
        ("vendor=ccapi", {**CSV, "content-encoding": "gzip"}, 415),
    ],
)
async def test_what_is_no_bill_is_refused(
    admin: httpx.AsyncClient, query: str, headers: dict[str, str], status: int
) -> None:
    answer = await admin.post(f"/admin/bills?{query}", content="id,amount\na,1\n", headers=headers)
    assert answer.status_code == status


async def test_a_spreadsheet_is_given_no_formula(admin: httpx.AsyncClient) -> None:
    made = await admin.post("/admin/bills?vendor=google", content="model,amount\n=HYPERLINK(1),1\n", headers=CSV)
    printed = (await admin.get("/admin/reconciliation?vendor=google&format=csv")).text
    assert "'=HYPERLINK(1)" in printed
    await admin.post(f"/admin/bills/{made.json()['id']}/withdraw")
