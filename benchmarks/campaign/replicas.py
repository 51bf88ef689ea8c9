"""F16 with several real processes on one PostgreSQL: one is killed, all are replaced in turn."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import text

from app.store.database import Database, Tx
from benchmarks.campaign.checker import check, settled
from benchmarks.campaign.crowd import Crowd
from benchmarks.campaign.world import LEASE_S, LONG_LEASES, Gateway, World

URL: Final = "ONESHAPE_DATABASE_URL"
CLIENTS: Final = 12
PROCESSES: Final = 3
STOP_S: Final = 60.0
RECOVERED_S: Final = 10.0

Told = tuple[str, list[str]]
"""Figures, and what was broken."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The crowd, the processes that are left, and what was already seen to be wrong."""

    crowd: Crowd
    left: list[Gateway]
    wrong: list[str]


async def takeover(home: World, *, rounds: int) -> Told:
    """Kills one of three under load, `rounds` times; how long until somebody else has all that it was doing."""
    gateways = [await home.start() for _ in range(PROCESSES)]
    crowd = Crowd(lambda: list(gateways), "takeover")
    asking = asyncio.create_task(crowd.ask(CLIENTS))
    database = await Database.open(home.database_url)
    took_s: list[float] = []
    killed: list[str] = []
    wrong: list[str] = []
    for _ in range(rounds):
        await asyncio.sleep(2.0)
        oldest = next(id_ for id_ in await database.read(_by_age) if id_ not in killed)
        killed.append(oldest)
        await gateways.pop(0).kill()
        killed_at = time.monotonic()
        working = partial(_works, owner=oldest)
        if not await seen(partial(_nobody, database, working), within_s=10 * LEASE_S + 60):
            wrong.append("tasks of a killed process still are its own")
        took_s.append(time.monotonic() - killed_at)
        gateways.append(await home.start())
    await database.close()
    crowd.stop()
    await asking
    figures, wrong = await judge(home, Judged(crowd, gateways, wrong))
    times = f"taken over after {min(took_s):.1f}-{max(took_s):.1f} s (lease {LEASE_S} s)"
    return f"{rounds} kills of {PROCESSES} processes, {times}, {figures}", wrong


async def rolling(home: World, *, rounds: int) -> Told:
    """Replaces every process in turn under load, in order; nothing that was taken on may fail.

    Leases are as long as in production: on a machine that is too busy to renew shorter ones, tasks are taken over that
    nobody has left. A 503 has taken nothing on.
    """
    home.environment |= LONG_LEASES
    gateways = [await home.start() for _ in range(PROCESSES)]
    crowd = Crowd(lambda: list(gateways), "rolling")
    asking = asyncio.create_task(crowd.ask(CLIENTS))
    wrong: list[str] = []
    for _ in range(rounds):
        gateways.append(await home.start())
        leaver = gateways[0]
        leaver.process.terminate()
        await asyncio.to_thread(leaver.process.join, STOP_S)
        gateways.remove(leaver)
        if leaver.process.exitcode != 0:
            wrong.append(f"a process that was told to stop ended with {leaver.process.exitcode}")
    crowd.stop()
    await asking
    failed = {status: count for status, count in crowd.statuses().items() if status >= 300 and status != 503}
    if failed or crowd.cut:
        wrong.append(f"requests failed while processes were replaced: {failed}, {crowd.cut} cut")
    figures, more = await judge(home, Judged(crowd, gateways, wrong))
    return f"{rounds} processes replaced, {figures}", more


async def seen(check_: Callable[[], Awaitable[bool]], *, within_s: float) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if await check_():
            return True
        await asyncio.sleep(0.05)
    return False


def _by_age(tx: Tx) -> list[str]:
    """The processes, the oldest first; also those that were killed."""
    return list(tx.execute(text("SELECT id FROM workers ORDER BY started_at")).scalars())


def _works(tx: Tx, *, owner: str) -> bool:
    mine = text("SELECT count(*) FROM tasks WHERE status = 'in_progress' AND owner = :owner")
    return bool(tx.execute(mine, {"owner": owner}).scalar_one())


async def _nobody(database: Database, works: Callable[[Tx], bool]) -> bool:
    return not await database.read(works)


async def judge(home: World, judged: Judged) -> Told:
    """The books, the vendors' log and the pictures, once everything has ended."""
    ended = await settled(home, within_s=10 * LEASE_S + 90)
    findings = await check(home, judged.left[-1], judged.crowd.promised)
    wrong = [*judged.wrong, *findings.wrong, *([] if ended else ["not all tasks have ended"])]
    doubles = sum(count > 1 for count in home.calls().values())
    lost = sum("is lost" in problem for problem in findings.wrong)
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(judged.crowd.statuses().items()))
    figures = (
        f"{len(judged.crowd.answers)} answers ({statuses}), {judged.crowd.cut} cut, {findings.tasks} tasks, "
        f"{findings.succeeded} succeeded, {findings.unknown} unknown, {lost} lost, {doubles} double"
    )
    return figures, wrong
