"""F2: many clients, and a process killed again and again, at no moment in particular; nothing of it may show."""

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from benchmarks.campaign.checker import Findings, check, settled
from benchmarks.campaign.world import LEASE_S, Gateway, World

CLIENTS: Final = 16
VENDORS: Final = ("uniall-tasks", "ccapi", "infinityblue", "google")
PATHS: Final = ("/v1/images/tasks", "/v1/images/tasks", "/v1/images/generations")


@dataclass(slots=True)
class Told:
    """What clients were told: the tasks that were promised, and those that were shown as ended and how."""

    promised: set[str] = field(default_factory=set)
    ended: dict[str, str] = field(default_factory=dict)
    sent: int = 0


async def storm(home: World, *, rounds: int, rng: random.Random) -> tuple[Findings, Told]:
    """Kills the process `rounds` times under load, then lets it recover and judges what is left."""
    told = Told()
    for number in range(rounds):
        gateway = await home.start()
        clients = [asyncio.create_task(_client(gateway, told, rng, f"{number}-{one}")) for one in range(CLIENTS)]
        await asyncio.sleep(rng.uniform(0.2, 4.0))
        await gateway.kill()
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
    last = await home.start()
    ended = await settled(home, within_s=10 * LEASE_S + 60)
    findings = await check(home, last, told.promised)
    if not ended:
        findings.wrong.append("not all tasks have ended")
    findings.wrong.extend(await _changed(last, told))
    return findings, told


async def _client(gateway: Gateway, told: Told, rng: random.Random, name: str) -> None:
    """Asks for pictures until the process is gone."""
    async with gateway.client(timeout_s=10) as client:
        for number in range(10_000):
            with suppress(httpx.TransportError):
                await _ask(client, told, rng, f"storm {name}-{number}")
            await asyncio.sleep(rng.uniform(0.0, 0.2))


async def _ask(client: httpx.AsyncClient, told: Told, rng: random.Random, prompt: str) -> None:
    path = rng.choice(PATHS)
    order: dict[str, Any] = {"model": f"nano-banana@{rng.choice(VENDORS)}", "prompt": prompt}
    told.sent += 1
    response = await client.post(path, json=order)
    if (task_id := response.headers.get("oneshape-task-id")) is None:
        return
    told.promised.add(task_id)
    if response.status_code == 200:
        told.ended[task_id] = "succeeded"
    elif path.endswith("tasks"):
        data = (await client.get(f"{path}/{task_id}?wait=1")).json()["data"]
        if data["status"] in ("succeeded", "failed", "cancelled"):
            told.ended[task_id] = data["status"]


async def _changed(gateway: Gateway, told: Told) -> list[str]:
    """Tasks that are told to be something else than they were told to be when they had ended (T1)."""
    wrong = []
    async with gateway.client() as client:
        for task_id, status in told.ended.items():
            now = (await client.get(f"/v1/images/tasks/{task_id}")).json()["data"]["status"]
            if now != status:
                wrong.append(f"{task_id} was {status} and is {now}")
    return wrong
