"""Text chat through one, two and four processes of `serve --workers` on one PostgreSQL, in turns.

`python -m benchmarks.replicas`. Vendor, clients, database and gateway share the cores, whose number is printed: with
two of them four processes cannot be faster than two. It fails when an answer or the ledger is wrong.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.gateway import SERVE, Gateway, environment
from benchmarks.peers import Contestant
from benchmarks.processes import OTHERS_CORE, free_port, python, running
from benchmarks.text import CATALOG, CHUNKS, Figures, measure
from tests.support.databases import administer, postgresql_answers, postgresql_url

NAME: Final = f"oneshape_replicas_{os.getpid()}"
COUNTS: Final = (1, 2, 4)
ALL_CORES: Final = ("taskset", "-c", f"0-{(os.cpu_count() or 1) - 1}")
"""Undoes the holding to one core that single processes are started with."""


def compare(*, rounds: int, seconds: float) -> bool:
    """Runs and prints; whether every answer and the ledger were right."""
    taken: dict[int, list[Figures]] = {count: [] for count in COUNTS}
    with tempfile.TemporaryDirectory(prefix="oneshape-bench-") as name, ExitStack() as stack:
        directory, vendor_port = Path(name), free_port()
        command = python("-m", "benchmarks.canned", str(vendor_port), str(CHUNKS))
        stack.enter_context(
            running(command, core=OTHERS_CORE, port=vendor_port, path="/counts", log=directory / "vendor.log")
        )
        right = True
        for number in range(rounds):
            for count in COUNTS:
                place = directory / f"{number}-{count}"
                place.mkdir()
                with _processes(place, vendor_port, count) as served:
                    key = served.new_key()
                    served_as = Contestant(
                        f"{count} processes", served.port, headers={"authorization": f"Bearer {key}"}
                    )
                    measure(served_as, seconds=1, stream=False)
                    taken[count].append(measure(served_as, seconds=seconds, stream=False))
                    right = bool(served.verified()["ok"]) and right
    best = {count: max(figures, key=lambda one: one.requests_s) for count, figures in taken.items()}
    print(f"whole answers, 32 connections, one prepaid account, {os.cpu_count()} cores for everything")
    print(f"{'processes':12}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'of one':>9}")
    for count, figures in best.items():
        ratio = figures.requests_s / best[1].requests_s
        print(f"{count:<12}{figures.requests_s:12,.0f}{figures.p50_ms:9.2f}{figures.p99_ms:9.2f}{ratio:9.2f}")
    return right and not any(one.wrong for figures in taken.values() for one in figures)


@contextmanager
def _processes(directory: Path, vendor_port: int, count: int) -> Iterator[Gateway]:
    """So many, behind one socket, on an empty database."""
    asyncio.run(administer(f"CREATE DATABASE {NAME}"))
    port = free_port()
    settings = {"DATABASE_URL": postgresql_url(NAME), "DATABASE_POOL": "5", "LOG_LEVEL": "error"}
    told = environment(directory, CATALOG.format(port=vendor_port), port, settings)
    command = [*ALL_CORES, *SERVE, "--workers", str(count)]
    try:
        log = directory / "gateway.log"
        with running(command, core=0, port=port, path="/readyz", env=told, log=log, within_s=120) as pid:
            yield Gateway(port, pid, directory / "data")
    finally:
        asyncio.run(administer(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)"))


def main() -> int:
    """Runs it; 1 when something was wrong."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.replicas", description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=5.0)
    said = options.parse_args()
    if not asyncio.run(postgresql_answers()):
        print("SKIPPED: no PostgreSQL server answers")
        return 0
    return 0 if compare(rounds=said.rounds, seconds=said.seconds) else 1


if __name__ == "__main__":
    sys.exit(main())
