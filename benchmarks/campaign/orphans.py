"""Promise 9: how long tasks whose process was killed wait for another to take them over."""

import asyncio
import random
import time
from typing import Final

from app.store import tasks
from app.store.database import Database
from benchmarks.campaign.world import LONG_LEASES, Gateway, World

LOOK_S: Final = 0.1
BEGUN_S: Final = 120.0
VICTIMS: Final = 10
TASKS_EACH: Final = 20
LEASE_S: Final = 60.0
SWEEP_S: Final = 15.0
AS_OPERATORS: Final = {**LONG_LEASES, "ONESHAPE_TASK_SWEEP_S": "15", "ONESHAPE_DATABASE_POOL": "3"}
"""An orphan is taken over within a lease and a sweep."""


async def takeovers(home: World, *, victims: int, rng: random.Random) -> tuple[str, list[str]]:
    """Kills so many processes at moments of their own; each has tasks that their vendor is drawing. Figures, and what
    was broken.
    """
    await home.start()
    started = [await home.start() for _ in range(victims)]
    database = await Database.open(home.database_url)
    try:
        found = await asyncio.gather(
            *(_killed(one, database, number, rng.uniform(0, 10)) for number, one in enumerate(started))
        )
    finally:
        await database.close()
    waited = sorted(one for each in found for one in each if one is not None)
    wrong = []
    if (lost := victims * TASKS_EACH - len(waited)) > 0:
        wrong.append(f"{lost} tasks were taken over by nobody")
    if waited and waited[-1] > LEASE_S + SWEEP_S:
        wrong.append(f"a task waited for {waited[-1]:.1f} s")
    at = {"p50": 0.5, "p99": 0.99, "most": 1.0}
    told = ", ".join(f"{name} {waited[int((len(waited) - 1) * share)]:.1f} s" for name, share in at.items())
    return f"{victims} kills, {len(waited)} tasks taken over after {told}", wrong


async def _killed(victim: Gateway, database: Database, number: int, after_s: float) -> list[float | None]:
    ids = await _begun(victim, number)
    await asyncio.sleep(after_s)
    before = await _tokens(database, ids)
    await victim.kill()
    died = time.monotonic()
    waited: dict[str, float] = {}
    while len(waited) < len(ids) and time.monotonic() - died < 2 * (LEASE_S + SWEEP_S):
        for task_id, token in (await _tokens(database, ids)).items():
            if token != before[task_id]:
                waited.setdefault(task_id, time.monotonic() - died)
        await asyncio.sleep(LOOK_S)
    return [waited.get(task_id) for task_id in ids]


async def _begun(victim: Gateway, number: int) -> list[str]:
    """Tasks that this process admitted and owns."""
    async with victim.client(timeout_s=BEGUN_S) as client:

        async def one(prompt: str) -> str:
            order = {"model": "nano-banana@uniall-tasks", "prompt": prompt}
            answer = await client.post("/v1/images/generations", json=order, headers={"prefer": "respond-async"})
            while answer.status_code != 202:  # shed on a busy machine, and asked again
                await asyncio.sleep(LOOK_S)
                answer = await client.post("/v1/images/generations", json=order, headers={"prefer": "respond-async"})
            return str(answer.json()["data"]["task_id"])

        return await asyncio.gather(*(one(f"takeover {number}-{each}") for each in range(TASKS_EACH)))


async def _tokens(database: Database, ids: list[str]) -> dict[str, str | None]:
    """Which lease each task is under."""
    rows = await database.read(lambda tx: [tasks.get(tx, task_id) for task_id in ids])
    return {row.id: row.lease_token for row in rows if row is not None}
