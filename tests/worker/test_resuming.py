"""A vendor's work that an earlier process began is asked for with the credential that began it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.store import attempts
from app.upstream.credentials import credential_id
from tests.support.gateway import Running, make_key, running_gateway
from tests.support.steps import KEYS, MODEL, Steps, running_steps

TASKS = "/v1/images/tasks"
DONE_S = 60.0
ORPHANS = 4


@pytest.fixture
async def steps() -> AsyncIterator[Steps]:
    async with running_steps() as running:
        yield running


async def began(gateway: Running, steps: Steps) -> tuple[str, str]:
    """A task that the vendor has accepted and was asked for once; its id, and the account's key."""
    async with gateway.client() as client:
        task_id = (await client.post(TASKS, json={"model": MODEL, "prompt": "a cube"})).json()["data"]["task_id"]
    await steps.reached("poll")
    return task_id, gateway.key


async def ended(gateway: Running, task_id: str, key: str) -> str:
    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client, asyncio.timeout(DONE_S):
        while True:
            data = (await client.get(f"{TASKS}/{task_id}?wait=20")).json()["data"]
            if data["status"] not in ("queued", "in_progress"):
                return str(data["status"])


async def test_another_process_polls_with_the_credential_that_was_sent(tmp_path: Path, steps: Steps) -> None:
    async with running_gateway(tmp_path, source=steps.source()) as gateway:
        task_id, key = await began(gateway, steps)
    async with running_gateway(tmp_path, source=steps.source()) as gateway:
        # What else is asked meanwhile turns the credentials on.
        other = await make_key(gateway.services, 10**9)
        async with gateway.client(headers={"authorization": f"Bearer {other[1]}"}) as client:
            await client.post(TASKS, json={"model": MODEL, "prompt": "another"})
        polled = len(steps.keys["work-1"])
        await steps.until(lambda: len(steps.keys["work-1"]) >= polled + 5)
        steps.done = True
        assert await ended(gateway, task_id, key) == "succeeded"
        (attempt,) = await gateway.services.database.read(lambda tx: attempts.list_for_task(tx, task_id))
    (sent_with,) = set(steps.keys["work-1"])
    assert attempt.credential == credential_id(sent_with)
    assert attempt.credential not in KEYS


async def test_many_orphans_do_not_wait_for_a_sweep_each(tmp_path: Path, steps: Steps) -> None:
    async with running_gateway(tmp_path, source=steps.source()) as gateway, gateway.client() as client:
        for number in range(ORPHANS):
            await client.post(TASKS, json={"model": MODEL, "prompt": f"cube {number}"})
        await steps.until(lambda: all(len(steps.keys[f"work-{one + 1}"]) > 1 for one in range(ORPHANS)))
    steps.keys.clear()
    async with running_gateway(tmp_path, source=steps.source(), worker_tasks=1, task_sweep_s=600):
        await steps.until(lambda: len(steps.keys) == ORPHANS)
    assert len(steps.created) == ORPHANS


async def test_where_that_credential_is_gone_the_others_are_tried(tmp_path: Path, steps: Steps) -> None:
    async with running_gateway(tmp_path, source=steps.source()) as gateway:
        task_id, key = await began(gateway, steps)
    (gone,) = set(steps.keys.pop("work-1"))
    left = tuple(key for key in KEYS if key != gone)
    async with running_gateway(tmp_path, source=steps.source(keys=left)) as gateway:
        await steps.until(lambda: set(steps.keys["work-1"]) == set(left))
        steps.done = True
        assert await ended(gateway, task_id, key) == "succeeded"
    assert set(steps.keys["work-1"]) == set(left)
