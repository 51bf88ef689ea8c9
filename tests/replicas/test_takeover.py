"""A replica that dies, freezes or stops loses no task, has none done twice, and leaves the books right."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fleet import MODEL, Fleet, running_fleet
from tests.support.processes import waited

pytestmark = pytest.mark.timeout(300)  # processes start slowly on a busy machine

TASKS = "/v1/images/tasks"
GENERATIONS = "/v1/images/generations"
PRICE_UNITS = 134_000
POLLED = "nano-banana-pro-1k@uniall-tasks"
LEASES: dict[str, Any] = {"task_lease_s": "3", "task_heartbeat_s": "1", "task_sweep_s": "1", "worker_tasks": "4"}
SOON_S = 45.0


@pytest.fixture
async def fleet(postgresql_copy: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    async with running_fleet(tmp_path, postgresql_copy, task_seconds=1.0, **LEASES) as running:
        yield running


async def created(fleet: Fleet, key: str, count: int, model: str = POLLED) -> list[str]:
    """Ids of so many accepted tasks, taken in by both replicas in turn; their prompts are `cube` and a number."""
    answers = [
        await fleet.send("POST", TASKS, at=number % 2, key=key, json={"model": model, "prompt": f"cube {number}"})
        for number in range(count)
    ]
    assert {answer.status_code for answer in answers} == {202}
    return [answer.json()["data"]["task_id"] for answer in answers]


async def ended(fleet: Fleet, key: str, task_ids: list[str], *, at: int) -> dict[str, dict[str, Any]]:
    """The tasks as they stand when all have ended. Fails when that takes too long."""
    found: dict[str, dict[str, Any]] = {}

    async def all_ended() -> bool:
        for task_id in task_ids:
            if task_id not in found:
                task = (await fleet.send("GET", f"{TASKS}/{task_id}", at=at, key=key)).json()["data"]
                if task["status"] in {"succeeded", "failed", "cancelled"}:
                    found[task_id] = task
        return len(found) == len(task_ids)

    assert await fleet.seen(all_ended, within_s=SOON_S), f"{len(task_ids) - len(found)} tasks have not ended"
    return found


async def check_books(fleet: Fleet, tasks: dict[str, dict[str, Any]], *, at: int) -> None:
    """Nothing was asked for twice, and exactly what was delivered is charged."""
    prompts = [call["order"]["prompt"] for call in await fleet.drawn("cube")]
    assert len(prompts) == len(set(prompts))
    verification = await fleet.admin("GET", "/ledger/verify", at=at)
    assert verification["violations"] == []
    captures = (await fleet.admin("GET", "/ledger/entries?kind=capture&limit=100", at=at))["items"]
    done = {task_id for task_id, task in tasks.items() if task["status"] == "succeeded"}
    assert sorted(entry["charge_id"] for entry in captures) == sorted(done)
    assert {entry["units"] for entry in captures} <= {PRICE_UNITS}


async def test_f16_tasks_of_a_killed_replica_are_finished_by_the_other(fleet: Fleet) -> None:
    key = (await fleet.new_key())["key"]
    task_ids = await created(fleet, key, 16)
    await fleet.clock.sleep(0.5)  # some are at the vendor, some wait
    fleet.replicas[0].process.kill()
    tasks = await ended(fleet, key, task_ids, at=1)
    await check_books(fleet, tasks, at=1)
    lost = [task["error"]["code"] for task in tasks.values() if task["status"] != "succeeded"]
    assert len(lost) <= 4  # only what was being sent when it died, of which nobody knows whether it was paid


async def test_f16_a_frozen_replica_that_wakes_up_settles_nothing_that_was_taken_over(fleet: Fleet) -> None:
    key = (await fleet.new_key())["key"]
    task_ids = await created(fleet, key, 12)
    await fleet.clock.sleep(0.5)
    fleet.replicas[0].process.send_signal(signal.SIGSTOP)
    try:
        tasks = await ended(fleet, key, task_ids, at=1)
    finally:
        fleet.replicas[0].process.send_signal(signal.SIGCONT)
    await fleet.clock.sleep(4)  # the sleeper finds its leases gone
    await check_books(fleet, tasks, at=0)
    assert _outcomes(await ended(fleet, key, task_ids, at=0)) == _outcomes(tasks)


async def test_f15_a_rolling_stop_under_load_fails_nothing_that_was_accepted(fleet: Fleet) -> None:
    key = (await fleet.new_key())["key"]
    statuses: list[int] = []

    async def send(number: int) -> None:
        """As a balancer would: to the other replica where no connection was made."""
        for at in (number % 2, 1):
            try:
                body = {"model": MODEL, "prompt": f"cube {number}"}
                answer = await fleet.send("POST", GENERATIONS, at=at, key=key, json=body)
            except httpx.ConnectError:
                continue
            statuses.append(answer.status_code)
            return

    async def load(first: int) -> None:
        for number in range(first, first + 12):
            await send(number)

    loading = [asyncio.create_task(load(100 * client)) for client in range(6)]
    await fleet.clock.sleep(0.5)
    fleet.replicas[0].process.send_signal(signal.SIGTERM)
    await asyncio.gather(*loading)
    assert statuses == [200] * 72
    assert await waited(fleet.replicas[0].process) == 0
    verification = await fleet.admin("GET", "/ledger/verify", at=1)
    assert verification["violations"] == []


def _outcomes(tasks: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """What cannot change once a task has ended; links are signed anew."""
    return {
        task_id: (task["status"], task["finished_at"], task["oneshape"]["units"]) for task_id, task in tasks.items()
    }
