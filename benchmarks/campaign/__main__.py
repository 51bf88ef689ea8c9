"""`make campaign`: every campaign at length, on SQLite and PostgreSQL, with its figures.

`ARGS="--quick"` runs a few rounds of each, `ARGS="--only storm --database sqlite"` one part. Ends with 1 when a promise
was broken; what was broken is printed.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from app.cli.logs import set_up_logging
from benchmarks import catalog_changes, routing, schema
from benchmarks.campaign.crash import POINTS, crash_at
from benchmarks.campaign.orphans import AS_OPERATORS, VICTIMS, takeovers
from benchmarks.campaign.outages import crash, outage
from benchmarks.campaign.partition import partition
from benchmarks.campaign.races import budget_race, duplicates
from benchmarks.campaign.replicas import URL, rolling, takeover
from benchmarks.campaign.server import server
from benchmarks.campaign.storm import storm
from benchmarks.campaign.tokens import tokens
from benchmarks.campaign.world import LONG_LEASES, PRICE_UNITS, World, world
from benchmarks.fuzz.campaign import run as fuzz
from tests.support.databases import administer, postgresql_answers, postgresql_url

DATABASE: Final = f"oneshape_campaign_{os.getpid()}"
FUZZ_CASES: Final = 10_000
DATABASES: Final = ("sqlite", "postgresql")

Campaign = Callable[[], Coroutine[Any, Any, tuple[str, list[str]]]]
"""Its figures, and what was broken."""


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser(prog="make campaign")
    parser.add_argument("--quick", action="store_true", help="a few rounds of each")
    parser.add_argument("--seed", type=int, default=20261120)
    parser.add_argument("--only", default="", help="one part, by its name")
    parser.add_argument("--database", choices=DATABASES, help="one database")
    asked = parser.parse_args()
    set_up_logging(level="critical", form="json")  # failures are what this is about
    sys.exit(1 if asyncio.run(_all(asked)) else 0)


async def _all(asked: argparse.Namespace) -> int:
    """Every campaign that was asked for, on every database; how many promises were broken."""
    print(f"seed {asked.seed}", flush=True)
    broken = 0
    for name, campaign in await _parts(asked):
        if asked.only in name:
            broken += await _told(name, campaign)
    return broken


async def _parts(asked: argparse.Namespace) -> list[tuple[str, Campaign]]:
    quick, seed = asked.quick, asked.seed
    databases = (
        [asked.database] if asked.database else ["sqlite", *(["postgresql"] if await postgresql_answers() else [])]
    )
    parts: list[tuple[str, Campaign]] = []
    for database in databases:
        parts += [
            (f"{database}: killed at every point", partial(_crashes, database, 1 if quick else 3)),
            (f"{database}: kill storm", partial(_storm, database, 5 if quick else 200, seed)),
            (f"{database}: orphans", partial(_orphans, database, 2 if quick else VICTIMS, seed)),
            (f"{database}: budget race", partial(_budgets, database, 1 if quick else 50, quick=quick)),
            (f"{database}: duplicates", partial(_duplicates, database, 5 if quick else 1000)),
            (f"{database}: tokens", partial(_tokens, database, 500 if quick else 10_000, seed)),
        ]
    if "postgresql" in databases:
        parts += [
            ("replicas: takeover", partial(_replicas, partial(takeover, rounds=2 if quick else 20))),
            ("replicas: rolling restart", partial(_replicas, partial(rolling, rounds=3 if quick else 30))),
            ("replicas: database cut", partial(_replicas, partial(outage, seconds=10 if quick else 60, loss="cut"))),
            (
                "replicas: database frozen",
                partial(_replicas, partial(outage, seconds=10 if quick else 60, loss="freeze")),
            ),
            ("replicas: database crashed", partial(_crashed, 10 if quick else 60)),
            ("replicas: network partition", partial(_replicas, partial(partition, rounds=1 if quick else 5))),
        ]
    if not asked.database:
        parts += [
            ("catalog changes", partial(catalog_changes.run, 4 if quick else catalog_changes.CHANGES)),
            ("scripted vendors", partial(_routing, 200 if quick else routing.REQUESTS, seed)),
            ("fuzz", partial(_fuzz, 300 if quick else FUZZ_CASES, seed)),
            ("OpenAPI document", partial(schema.run, seed=seed, examples=3 if quick else schema.EXAMPLES)),
        ]
    return parts


async def _fuzz(cases: int, seed: int) -> tuple[str, list[str]]:
    with tempfile.TemporaryDirectory() as directory:
        figures = await fuzz(Path(directory), cases=cases, seed=seed)
    told = ", ".join(f"{one.name} {one.cases:,} cases" for one in figures)
    return told, [problem for one in figures for problem in one.problems]


async def _routing(requests: int, seed: int) -> tuple[str, list[str]]:
    reports = await routing.run(seed=seed, requests=requests)
    off = routing.weights(seed=seed)
    figures = (
        f"{len(reports)} scenarios of {requests} requests; weights off by {off:.2%} at most over {routing.PLANS} plans"
    )
    return figures, routing.broken(reports, requests=requests) + routing.broken_weights(off)


async def _told(name: str, campaign: Campaign) -> int:
    began = time.monotonic()
    figures, wrong = await campaign()
    print(f"{name}: {figures}; {len(wrong)} broken; {time.monotonic() - began:.0f} s", flush=True)
    for problem in wrong[:20]:
        print(f"  {problem}", flush=True)
    return len(wrong)


@asynccontextmanager
async def _world(
    database: str, settings: Mapping[str, str] = MappingProxyType({}), *, task_seconds: float = 0.3
) -> AsyncIterator[World]:
    """A world with an empty database of that kind; `settings` are variables of its gateways."""
    environment = dict(settings)
    if database == "postgresql":
        await administer(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        await administer(f"CREATE DATABASE {DATABASE}")
        environment["ONESHAPE_DATABASE_URL"] = postgresql_url(DATABASE)
    try:
        with tempfile.TemporaryDirectory() as directory:
            async with world(Path(directory), environment, task_seconds=task_seconds) as home:
                yield home
    finally:
        if database == "postgresql":
            await administer(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


async def _crashes(database: str, rounds: int) -> tuple[str, list[str]]:
    wrong: list[str] = []
    tasks = 0
    async with _world(database) as home:
        for ordinal in range(rounds * len(POINTS)):
            point = POINTS[ordinal % len(POINTS)]
            findings, broken = await crash_at(home, point, ordinal)
            tasks = findings.tasks
            wrong += [f"{point.name}: {problem}" for problem in (*broken, *findings.wrong)]
    return f"{rounds * len(POINTS)} kills at {len(POINTS)} points, {tasks} tasks", wrong


async def _replicas(campaign: Callable[[World], Coroutine[Any, Any, tuple[str, list[str]]]]) -> tuple[str, list[str]]:
    async with _world("postgresql") as home:
        return await campaign(home)


async def _crashed(seconds: float) -> tuple[str, list[str]]:
    async with server() as own:
        if own is None:
            return "SKIPPED: PostgreSQL's server is not installed here", []
        with tempfile.TemporaryDirectory() as directory:
            async with world(Path(directory), {URL: own.url}) as home:
                return await crash(home, own, seconds=seconds)


async def _storm(database: str, rounds: int, seed: int) -> tuple[str, list[str]]:
    async with _world(database) as home:
        findings, told = await storm(home, rounds=rounds, rng=random.Random(seed))
    figures = (
        f"{rounds} kills, {told.sent} requests, {len(told.promised)} tasks promised, {findings.succeeded} succeeded, "
        f"{findings.unknown} unknown, {findings.calls} paid calls"
    )
    return figures, findings.wrong


async def _orphans(database: str, victims: int, seed: int) -> tuple[str, list[str]]:
    async with _world(database, AS_OPERATORS, task_seconds=1000.0) as home:
        return await takeovers(home, victims=victims, rng=random.Random(seed))


async def _budgets(database: str, rounds: int, *, quick: bool) -> tuple[str, list[str]]:
    wrong = []
    asked = 200 if quick else 1000
    async with _world(database, LONG_LEASES) as home:
        gateways = [await home.start() for _ in range(2 if database == "postgresql" else 1)]
        for number in range(rounds):
            race = await budget_race(home, gateways, asked=asked, affordable=10, name=str(number))
            if race.statuses != {200: 10, 402: asked - 10} or race.calls != 10 or not race.ledger_clean:
                wrong.append(f"round {number}: {race}")
            if race.spent_units != 10 * PRICE_UNITS:
                wrong.append(f"round {number}: {race.spent_units - 10 * PRICE_UNITS} units over")
    return f"{rounds} rounds of {asked} for 10, {len(gateways)} processes", wrong


async def _duplicates(database: str, rounds: int) -> tuple[str, list[str]]:
    wrong = []
    async with _world(database, LONG_LEASES) as home:
        gateways = [await home.start() for _ in range(2 if database == "postgresql" else 1)]
        for number in range(rounds):
            race = await duplicates(home, gateways, name=f"key {number}")
            if (race.statuses, race.calls, race.answers, race.spent_units) != ({200: 20}, 1, 1, PRICE_UNITS):
                wrong.append(f"round {number}: {race}")
    return f"{rounds} rounds of 20 copies, {len(gateways)} processes", wrong


async def _tokens(database: str, requests: int, seed: int) -> tuple[str, list[str]]:
    async with _world(database, LONG_LEASES) as home:
        processes = 2 if database == "postgresql" else 1
        report = await tokens(home, requests=requests, processes=processes, rng=random.Random(seed))
    return f"{report}, {processes} processes", report.wrong


if __name__ == "__main__":
    main()
