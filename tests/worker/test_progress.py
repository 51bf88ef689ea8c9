"""What a client is told while its vendor works: progress that never goes back, or a task instead of a long wait."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.store import ledger
from tests.support.gateway import Running, running_gateway
from tests.support.steps import MODEL, PRICE_UNITS, Steps, running_steps

TASKS = "/v1/images/tasks"
GENERATIONS = "/v1/images/generations"
SEEN_S = 60.0


@pytest.fixture
async def steps() -> AsyncIterator[Steps]:
    async with running_steps() as running:
        yield running


async def seen_until(gateway: Running, key: str, task_id: str, last: str) -> list[int]:
    """Every percentage that polls told, until `last` was."""
    told: list[int] = []
    async with (
        gateway.client(headers={"authorization": f"Bearer {key}"}) as client,
        asyncio.timeout(SEEN_S),
    ):
        while not told or told[-1] != int(last.rstrip("%")):
            data = (await client.get(f"{TASKS}/{task_id}")).json()["data"]
            told.append(int(data["progress"].rstrip("%")))
    return told


async def test_f83_progress_never_goes_back_whatever_a_vendor_says_and_whoever_asks_it(
    tmp_path: Path, steps: Steps
) -> None:
    steps.progress = ["10%", "50%", "30%", "-5%", "", "9", "60%"]
    async with running_gateway(tmp_path, source=steps.source()) as gateway:
        async with gateway.client() as client:
            asked = await client.post(TASKS, json={"model": MODEL, "prompt": "a cube"})
        task_id, key = asked.json()["data"]["task_id"], gateway.key
        told = await seen_until(gateway, key, task_id, "60%")
    steps.progress = ["5%", "40%", "101%"]
    async with running_gateway(tmp_path, source=steps.source()) as gateway:
        told += await seen_until(gateway, key, task_id, "99%")
        steps.done = True
        told += await seen_until(gateway, key, task_id, "100%")
    assert told == sorted(told)
    assert {60, 99, 100} <= set(told)


async def test_who_prefers_not_to_wait_so_long_gets_a_task_and_finds_the_picture_there(
    tmp_path: Path, steps: Steps
) -> None:
    async with running_gateway(tmp_path, source=steps.source()) as gateway, gateway.client() as client:
        asked = {"model": MODEL, "prompt": "a cube"}
        answer = await client.post(GENERATIONS, json=asked, headers={"prefer": "wait=1"})
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "wait=1")
        assert answer.json()["data"]["status"] == "in_progress"
        steps.done = True
        location = answer.headers["location"]
        data = (await client.get(f"{location}?wait=60")).json()["data"]
        picture = await client.get(data["result_url"])
        page = await gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=data["task_id"]))
    assert (data["status"], picture.content) == ("succeeded", steps.picture)
    assert [(entry.kind, entry.units) for entry in page.items] == [("capture", PRICE_UNITS), ("hold", PRICE_UNITS)]
    assert steps.created == ["a cube"]
