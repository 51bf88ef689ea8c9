"""What an operator does to vendors: drain, undrain, probe; cancel a task; back the database up."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.cli.sandboxed import sandboxed_catalog
from app.gateway.catalog.live import Revision
from app.gateway.catalog.yaml import read, write
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import KEY_PREFIX
from app.sandbox.server import serve as serve_sandbox
from app.store import audit
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def vendor(admin: httpx.AsyncClient, name: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = (await admin.get("/admin/vendors")).json()["items"]
    return next(item for item in items if item["name"] == name)


async def test_a_drained_vendor_gets_nothing_new_until_it_is_undrained(
    gateway: Running, admin: httpx.AsyncClient
) -> None:
    body = {"model": "nano-banana@ccapi", "prompt": "a cube"}
    assert (await admin.post("/admin/vendors/ccapi/drain")).json()["drained"] is True
    before = len(await gateway.paid_calls())
    async with gateway.client() as client:
        refused = await client.post("/v1/images/generations", json=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "no_vendor_available")
        assert len(await gateway.paid_calls()) == before
        assert (await admin.post("/admin/vendors/ccapi/undrain")).json()["drained"] is False
        assert (await client.post("/v1/images/generations", json=body)).status_code == 200


async def test_draining_is_audited_once_with_before_and_after(gateway: Running, admin: httpx.AsyncClient) -> None:
    for verb in ("drain", "drain", "undrain"):
        await admin.post(f"/admin/vendors/google/{verb}")
    page = await gateway.services.database.read(lambda tx: audit.list_page(tx, subject="google"))
    assert [(change.action, change.after) for change in page.items] == [
        ("vendor.undrained", {"drained": False}),
        ("vendor.drained", {"drained": True}),
    ]


@pytest.mark.parametrize("verb", ["drain", "undrain", "probe"])
async def test_a_vendor_that_is_not_in_the_catalog_is_404(admin: httpx.AsyncClient, verb: str) -> None:
    assert (await admin.post(f"/admin/vendors/nobody/{verb}")).status_code == 404


async def test_vendors_are_shown_with_what_was_seen_of_them(gateway: Running, admin: httpx.AsyncClient) -> None:
    async with gateway.client() as client:
        for fault in ("", " [fault:text_only]"):
            await client.post(
                "/v1/images/generations", json={"model": "nano-banana@infinityblue", "prompt": f"a{fault}"}
            )
    shown = await vendor(admin, "infinityblue")
    assert (shown["breaker"], shown["seen"], shown["error_rate"], shown["delivered_image_rate"]) == (
        "closed",
        2,
        0.5,
        0.5,
    )
    assert shown["latency_p50_s"] > 0
    assert shown["latency_p99_s"] >= shown["latency_p95_s"] >= shown["latency_p50_s"]
    assert (shown["wrong_image_rate"], shown["overdue"], shown["keys_ready"]) == (0, 0, 1)
    assert [(one["refusals"], one["rest_s"]) for one in shown["credentials"]] == [(0, 0)]
    assert 1 <= shown["places"] <= shown["concurrency"]
    assert [target["model"] for target in shown["targets"]] == ["nanobanana"]


@pytest.mark.parametrize("name", ["uniall-tasks", "uniall-chat", "infinityblue", "ccapi", "google", "openai-chat"])
async def test_a_probe_tells_what_came_back_and_bills_no_client(
    gateway: Running, admin: httpx.AsyncClient, name: str
) -> None:
    before = (await admin.get(f"/admin/accounts/{gateway.account_id}")).json()
    (finding,) = (await admin.post(f"/admin/vendors/{name}/probe")).json()["findings"]
    assert (finding["ok"], finding["status"], finding["suggestions"]) == (True, 200, []), finding
    if name != "openai-chat":
        assert finding["pictures_at"]
        assert finding["sizes"][0] in ("1344x768", "1376x768")
    assert (await admin.get(f"/admin/accounts/{gateway.account_id}")).json() == before


async def test_a_probe_of_all_asks_each_model_of_the_vendor_once_tells_how_far_it_is_and_is_kept(
    gateway: Running, admin: httpx.AsyncClient
) -> None:
    served = {
        (target.model, target.resolution)
        for model in gateway.services.catalog().models.values()
        for target in model.targets
        if target.vendor.name == "infinityblue"
    }
    told: list[str] = []
    before = len(await gateway.paid_calls())
    findings = await gateway.services.operations.vendors.probe("infinityblue", tell=told.append)
    assert len(findings) == len(served) == len(await gateway.paid_calls()) - before
    assert {one.vendor_model for one in findings} == {model for model, _ in served}
    assert [one.failure for one in findings] == [None] * len(served)
    assert sum(f" of {len(served)}: " in line for line in told) == len(served)
    kept = (await admin.get("/admin/vendors/infinityblue/probes")).json()["items"]
    assert {one["vendor_model"] for one in kept} == {model for model, _ in served}
    assert all(one["ok"] and one["pictures_at"] and one["at"] for one in kept)


async def test_a_probe_may_be_of_one_model_by_either_name(gateway: Running, admin: httpx.AsyncClient) -> None:
    for name in ("nano-banana-pro-1k@ccapi", "nano-banana-pro-1k"):
        (finding,) = (await admin.post(f"/admin/vendors/ccapi/probe?scope=all&model={name}")).json()["findings"]
        assert finding["vendor_model"] == "nano-banana-pro-1k"
    assert gateway.url != ""
    refused = await admin.post("/admin/vendors/ccapi/probe?model=nobody")
    assert refused.status_code == 503


@pytest.mark.parametrize(
    ("fault", "failure", "suggested"),
    [
        ("unauthorized", "unauthorized", "api_keys"),
        ("text_only", "no_image", "without a picture"),
        ("html_200", "unreadable", "base_url"),
        ("wrong_size", None, "send_dashed_keys: true"),
        ("sse_when_json", None, "stream: true"),
    ],
)
async def test_a_probe_suggests_what_to_correct(
    tmp_path: Path, fault: str, failure: str | None, suggested: str
) -> None:
    async with serve_sandbox(SandboxConfig()) as sandbox_url:
        document: Any = read(sandboxed_catalog(sandbox_url), format="yaml")[0]
        document["vendors"]["infinityblue"]["api_keys"] = [KEY_PREFIX + fault]
        revision = Revision(1, write(document), "yaml")

        async def source() -> Revision:
            return revision

        async with running_gateway(tmp_path, source=source) as gateway:
            (finding,) = await gateway.services.operations.vendors.probe("infinityblue", scope="cheapest")
    assert finding.failure == failure
    assert suggested in " ".join(finding.suggestions)


async def test_an_operator_cancels_a_task_that_no_vendor_was_asked_for(
    gateway: Running, admin: httpx.AsyncClient
) -> None:
    assert (await admin.post("/admin/tasks/task_nobody/cancel")).status_code == 404
    async with gateway.client() as client:
        body = {"model": "nano-banana@ccapi", "prompt": "a"}
        task_id = (await client.post("/v1/images/tasks", json=body)).json()["data"]["task_id"]
        await client.get(f"/v1/images/tasks/{task_id}?wait=10")
    answered = await admin.post(f"/admin/tasks/{task_id}/cancel")
    assert (answered.status_code, answered.json()["status"]) == (200, "succeeded")


async def test_a_backup_is_a_sound_database_of_this_moment(gateway: Running, admin: httpx.AsyncClient) -> None:
    answered = await admin.post("/admin/backup")
    assert answered.status_code == 201, answered.text
    path = Path(answered.json()["path"])
    assert path.parent == gateway.directory / "backups"
    assert (await asyncio.to_thread(path.stat)).st_size == answered.json()["size_bytes"]
    copy = sqlite3.connect(path)
    assert copy.execute("SELECT id FROM accounts").fetchall() == [(gateway.account_id,)]
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.close()
    assert [child.suffix for child in path.parent.iterdir()] == [".db"]
