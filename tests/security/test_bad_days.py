"""Bad days: a full disk (H97), clocks that jump (H98), vendors' odd tasks (F83), races (G88), nothing to pay (G92)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from app.cli.sandboxed import sandboxed_catalog
from app.core.clock import Clock
from app.gateway.catalog.live import Revision
from app.gateway.catalog.yaml import read, write
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.store import ledger, ledger_verify
from tests.security.painter import PRICE_UNITS, Painter, Shelf, catalog, painting
from tests.support.gateway import ADMIN_KEY, Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS: Final = "/v1/images/tasks"
BODY: Final = {"model": "of-the-first", "prompt": "a fox"}
DAY_S: Final = 86_400.0


async def test_h97_below_the_room_that_must_be_free_nothing_is_paid_for(tmp_path: Path) -> None:
    """No disk has so much room."""
    async with (
        painting() as painter,
        running_gateway(tmp_path, source=Shelf(catalog(painter.url)), min_free_disk_mb=10**9) as gateway,
        gateway.client() as client,
    ):
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["media"], ready.json()["database"]) == (503, "unavailable", "ok")
        assert (await client.get("/healthz")).status_code == 200
        for path in ("/v1/images/generations", TASKS):
            refused = await client.post(path, json=BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "storage_unavailable"), path
            assert 1 <= int(refused.headers["retry-after"]) <= 20
        assert painter.calls == 0
        page = await gateway.services.database.read(lambda tx: ledger.entries(tx, limit=10))
        assert [entry.kind for entry in page.items] == ["grant"]


class Jumping(Clock):
    """A wall clock that is set; durations are not touched by that."""

    off_s = 0.0

    def now(self) -> float:
        return super().now() + self.off_s


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, DAY_S, -DAY_S, -5.0])
async def test_h98_a_clock_that_is_set_during_a_task_neither_runs_it_twice_nor_ends_it(
    jumping: tuple[Running, Painter, Jumping], jump_s: float
) -> None:
    gateway, painter, clock = jumping
    painter.may.clear()
    painter.asked.clear()
    calls = painter.calls
    async with gateway.client() as client:
        accepted = (await client.post(TASKS, json=BODY)).json()["data"]
        await painter.asked.wait()
        clock.off_s += jump_s
        # Two sweeps and several heartbeats pass.
        await clock.sleep(2.5)
        painter.may.set()
        done = await ended(client, accepted["task_id"])
        # A jump of a day passes its deadline, by which it may be ended; it is never done or paid for twice.
        assert done["status"] == "succeeded" or jump_s == DAY_S, done
        if done["status"] == "succeeded":
            assert (await client.get(done["result_url"])).status_code == 200
        clock.off_s -= jump_s
    assert painter.calls == calls + 1
    entries = (await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=done["task_id"]))).items
    resolved = [entry.kind for entry in entries if entry.kind != "hold"]
    assert resolved == ["capture" if done["status"] == "succeeded" else "release"]
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def jumping(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Painter, Jumping]]:
    clock = Jumping()
    quick: dict[str, Any] = {"task_lease_s": 3, "task_heartbeat_s": 1, "task_sweep_s": 1}
    async with painting() as painter:
        directory = tmp_path_factory.mktemp("clocks")
        async with running_gateway(directory, source=Shelf(catalog(painter.url)), clock=clock, **quick) as gateway:
            yield gateway, painter, clock


async def ended(client: httpx.AsyncClient, task_id: str) -> dict[str, Any]:
    """A task at its end."""
    for _ in range(60):
        data: dict[str, Any] = (await client.get(f"{TASKS}/{task_id}", params={"wait": 1})).json()["data"]
        if data["status"] not in ("queued", "in_progress"):
            return data
    raise AssertionError("the task does not end")


ODD_TASKS: Final[dict[str, str]] = {
    "task_status_back": "succeeded",
    "task_progress_back": "succeeded",
    "task_progress_101": "succeeded",
    "task_unknown_status": "succeeded",
    "task_id_changes": "succeeded",
    "task_404_first": "succeeded",
    "task_poll_500": "succeeded",
    "task_without_url": "failed",
    "task_without_id": "failed",
    "task_never_ends": "failed",
    "task_gone": "failed",
    "task_poll_slow": "failed",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def impatient(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A gateway that gives one of the simulated vendors four seconds, under two names."""
    async with serve_sandbox(SandboxConfig(task_seconds=1)) as url:
        document: Any = read(sandboxed_catalog(url), format="yaml")[0]
        document["vendors"]["hasty"] = {**document["vendors"]["uniall-tasks"], "timeout_s": 4}
        [model] = [model for model in document["models"] if model["id"] == "nano-banana@uniall-tasks"]
        hasty = [{**target, "vendor": "hasty"} for target in model["targets"]]
        document["models"].append({**model, "id": "nano-banana@hasty", "targets": hasty})
        revision = Revision(1, write(document), "yaml")

        async def source() -> Revision:
            return revision

        directory = tmp_path_factory.mktemp("odd-tasks")
        async with running_gateway(directory, source=source, breaker_failures=1000) as gateway:
            yield gateway


async def test_f83_whatever_a_vendors_task_tells_ours_goes_forward_and_ends(impatient: Running) -> None:
    """All at once: those that fail take as long as the vendor is given."""
    async with impatient.client() as client:
        lives = await asyncio.gather(*(_life(client, fault) for fault in ODD_TASKS))
    assert {fault: life[-1]["status"] for fault, life in zip(ODD_TASKS, lives, strict=True)} == ODD_TASKS
    for life in lives:
        states = [("queued", "in_progress", "succeeded", "failed").index(seen["status"]) for seen in life]
        progress = [int(seen["progress"].rstrip("%")) for seen in life]
        assert states == sorted(states)
        assert progress == sorted(progress)
        assert max(progress) <= 100
        assert life[-1]["oneshape"]["units"] == (39_000 if life[-1]["status"] == "succeeded" else 0)
    assert (await impatient.services.database.read(ledger_verify.verify)).violations == ()
    assert (await impatient.services.accounts.get(impatient.account_id)).held_units == 0


async def _life(client: httpx.AsyncClient, fault: str) -> list[dict[str, Any]]:
    """All that is told of a task, to its end."""
    # What never ends is ended by our patience; what ends may take as long as a busy machine needs.
    vendor = "uniall-tasks" if ODD_TASKS[fault] == "succeeded" else "hasty"
    body = {"model": f"nano-banana@{vendor}", "prompt": f"a fox [fault:{fault}]"}
    task_id = (await client.post(TASKS, json=body)).json()["data"]["task_id"]
    life: list[dict[str, Any]] = []
    for _ in range(600):
        life.append((await client.get(f"{TASKS}/{task_id}")).json()["data"])
        if life[-1]["status"] in ("succeeded", "failed"):
            return life
        await Clock().sleep(0.1)
    raise AssertionError(f"{fault}: the task does not end")


async def test_g88_capture_cancel_and_lease_at_one_instant_resolve_the_hold_once(
    jumping: tuple[Running, Painter, Jumping],
) -> None:
    """Each of eight tasks is cancelled by three clients in the very moment in which its vendor answers."""
    gateway, painter, _ = jumping
    for _ in range(8):
        painter.may.clear()
        painter.asked.clear()
        async with gateway.client() as client:
            task_id = (await client.post(TASKS, json=BODY)).json()["data"]["task_id"]
            await painter.asked.wait()
            cancels = [asyncio.create_task(client.post(f"{TASKS}/{task_id}/cancel")) for _ in range(3)]
            painter.may.set()
            answers = await asyncio.gather(*cancels)
            assert {answer.status_code for answer in answers} == {200}
            done = await ended(client, task_id)
        entries = (await gateway.services.database.read(lambda tx, at=task_id: ledger.entries(tx, charge_id=at))).items  # type: ignore[misc]  # bound at once
        resolved = [(entry.kind, entry.units) for entry in entries if entry.kind != "hold"]
        assert resolved == [("capture" if done["status"] == "succeeded" else "release", PRICE_UNITS)], done
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()


async def test_g92_a_free_model_costs_nothing_and_each_request_two_entries_at_most(tmp_path: Path) -> None:
    """A price of zero divides nothing by nothing: usage, margin and balance are told as ever."""
    async with (
        painting() as painter,
        running_gateway(tmp_path, source=Shelf(catalog(painter.url, price="0")), grant_units=0) as gateway,
        gateway.client() as client,
    ):
        answers = [await client.post("/v1/images/generations", json=BODY) for _ in range(10)]
        assert {(answer.status_code, answer.headers["oneshape-units"]) for answer in answers} == {(200, "0")}
        page = await gateway.services.database.read(lambda tx: ledger.entries(tx, limit=100))
        assert len(page.items) <= 20
        assert sum(entry.units for entry in page.items) == 0
        usage = (await client.get("/v1/account")).json()["usage"]
        assert usage["images"] == 10
        admin = {"authorization": f"Bearer {ADMIN_KEY}"}
        for group in ("model", "vendor", "account", "day"):
            told = await client.get("/admin/usage", params={"group_by": group}, headers=admin)
            assert told.status_code == 200, told.text
            assert "NaN" not in told.text
