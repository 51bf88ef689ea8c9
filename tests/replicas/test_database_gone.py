"""A gateway that is cut off from its database refuses paid work quickly, calls nobody, and is whole again by itself."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from app.store import ledger_verify
from app.store.database import Tx
from tests.support.gateway import ADMIN_KEY, SECRET_KEY, Running, running_gateway
from tests.support.relay import Relay, relaying

pytestmark = pytest.mark.timeout(300)  # processes start slowly on a busy machine

GENERATIONS = "/v1/images/generations"
ASKED: dict[str, Any] = {"model": "nano-banana-pro-1k@ccapi", "prompt": "a cube"}
TASKS = "/v1/images/tasks"
POLLED = {"model": "nano-banana-pro-1k@uniall-tasks", "prompt": "a cube"}
LEASES = {"task_lease_s": 3, "task_heartbeat_s": 1, "task_sweep_s": 1}
RECOVERED_S = 10.0


@pytest.fixture
async def relay(postgresql_copy: str) -> AsyncIterator[Relay]:
    url = make_url(postgresql_copy)
    assert url.host is not None
    async with relaying(url.host, url.port or 5432) as made:
        yield made


@pytest.fixture
async def gateway(relay: Relay, postgresql_copy: str, tmp_path: Path) -> AsyncIterator[Running]:
    url = make_url(postgresql_copy).set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
    async with running_gateway(tmp_path, database_url=url, admin_key=ADMIN_KEY, secret_key=SECRET_KEY) as running:
        try:
            yield running
        finally:
            relay.heal()


async def recovers(gateway: Running) -> bool:
    clock = gateway.services.clock
    until = clock.monotonic() + RECOVERED_S
    async with gateway.client() as client:
        while (await client.post(GENERATIONS, json=ASKED)).status_code != 200:
            if clock.monotonic() > until:
                return False
            await clock.sleep(0.2)
    return True


@pytest.mark.parametrize("loss", ["cut", "freeze"])
async def test_h96_without_its_database_paid_work_is_refused_and_nothing_is_called(
    gateway: Running, relay: Relay, loss: str
) -> None:
    async with gateway.client() as client:
        assert (await client.post(GENERATIONS, json=ASKED)).status_code == 200
        drawn = len(await gateway.paid_calls())
        getattr(relay, loss)()
        answers = [await client.post(GENERATIONS, json=ASKED) for _ in range(2)]
        ready = await client.get("/readyz")
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [
        (503, "storage_unavailable")
    ] * 2
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in answers)
    assert (ready.status_code, ready.json()["database"]) == (503, "unavailable")
    assert len(await gateway.paid_calls()) == drawn
    relay.heal()
    assert await recovers(gateway)
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()


@pytest.mark.parametrize("loss", ["cut", "freeze"])
async def test_l5_a_task_whose_database_is_gone_while_a_vendor_draws_ends_settled_when_it_is_back(
    relay: Relay, postgresql_copy: str, tmp_path: Path, loss: str
) -> None:
    url = make_url(postgresql_copy).set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
    settings: dict[str, Any] = {"database_url": url, "admin_key": ADMIN_KEY, "secret_key": SECRET_KEY, **LEASES}
    async with running_gateway(tmp_path, task_seconds=2.0, **settings) as gateway, gateway.client() as client:
        clock = gateway.services.clock
        made = [(await client.post(TASKS, json=POLLED)).json()["data"]["task_id"] for _ in range(3)]
        while await gateway.services.database.read(_accepted) < len(made):
            await clock.sleep(0.02)
        getattr(relay, loss)()
        await clock.sleep(4)  # longer than a lease
        relay.heal()
        ended = [await _ended(gateway, task_id) for task_id in made]
        verification = await gateway.services.database.read(ledger_verify.verify)
        assert len(await gateway.paid_calls()) == 3
    assert [task["status"] for task in ended] == ["succeeded"] * 3
    assert verification.violations == ()


def _accepted(tx: Tx) -> int:
    """How many tasks a vendor is drawing."""
    return int(tx.execute(text("SELECT count(*) FROM attempts WHERE handle IS NOT NULL")).scalar_one())


async def _ended(gateway: Running, task_id: str) -> dict[str, Any]:
    clock = gateway.services.clock
    until = clock.monotonic() + 4 * RECOVERED_S
    async with gateway.client() as client:
        while True:
            answer = await client.get(f"{TASKS}/{task_id}")
            task: dict[str, Any] = answer.json()["data"] or {"status": "unknown"}
            if task["status"] in {"succeeded", "failed", "cancelled"} or clock.monotonic() > until:
                return task
            await clock.sleep(0.2)
