"""Holds and captures on PostgreSQL: each in a transaction of its own, and gathered by account; and as the ledger grows.

`python -m benchmarks.pairs` runs both ways in turns, so that whatever else the machine does hits both; `--grow` fills
the ledger to a million entries and measures again. It fails when the ledger does not verify. Needs a PostgreSQL server.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import uvloop
from sqlalchemy import Connection, text

from app.core.errors import Overloaded
from app.store import accounts, ledger, migrate
from app.store.accounts import Account
from app.store.database import Database
from app.store.ledger_verify import verify
from tests.support.databases import administer, postgresql_answers, postgresql_url

NAME: Final = f"oneshape_pairs_{os.getpid()}"
AT: Final = 1_790_000_000.0
GRANTED: Final = 10**14
FILLED: Final = 1_000_000
FILL_STEP: Final = 50_000


@dataclass(frozen=True, slots=True)
class Round:
    """What one round measured: pairs per second, processor time of this process per pair, and times of a pair."""

    pairs_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


async def measure(database: Database, *, at_once: int, hot: int, gathered: bool, seconds: float, name: str) -> Round:
    """So many callers at once, on so many accounts, each holding and capturing in turn."""
    until, times = time.monotonic() + seconds, []
    began, used = time.monotonic(), time.process_time()

    async def call(number: int) -> None:
        account_id, ordinal = f"acc_{number % hot}", 0
        together = account_id if gathered else None
        while time.monotonic() < until:
            ordinal += 1
            charge, start = f"{name}-{number}-{ordinal}", time.monotonic()
            taken = partial(
                ledger.hold, charge_id=charge, account_id=account_id, key=None, units=10, price={"per_image": 10}, at=AT
            )
            with suppress(Overloaded):  # a connection was waited for in vain: what a client would see as a 503
                await database.write(taken, account_id=together)
                await database.write(partial(ledger.capture, charge_id=charge, units=10, at=AT), account_id=together)
                times.append(time.monotonic() - start)

    await asyncio.gather(*(call(number) for number in range(at_once)))
    took_s, cpu_s = time.monotonic() - began, time.process_time() - used
    cuts = statistics.quantiles(times, n=100) if len(times) > 1 else times * 99
    return Round(len(times) / took_s, cpu_s / len(times) * 1e6, cuts[49] * 1e3, cuts[98] * 1e3)


async def _compare(database: Database, *, rounds: int, seconds: float) -> None:
    print(f"{'':44}{'pairs/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs/pair':>13}")
    for hot, at_once in ((1, 32), (1, 128), (32, 128)):
        found: dict[bool, list[Round]] = {False: [], True: []}
        for number in range(rounds):
            for gathered in found:
                name = f"c{hot}-{at_once}-{number}-{gathered}"
                found[gathered].append(
                    await measure(database, at_once=at_once, hot=hot, gathered=gathered, seconds=seconds, name=name)
                )
        for gathered, measured in found.items():
            best = max(measured, key=lambda one: one.pairs_s)
            how = "gathered by account" if gathered else "each by itself"
            title = f"{hot} account{'s' * (hot > 1)}, {at_once} at once, {how}"
            cpu_us = min(one.cpu_us for one in measured)
            print(f"{title:44}{best.pairs_s:9,.0f}{best.p50_ms:9.1f}{best.p99_ms:9.1f}{cpu_us:13,.0f}", flush=True)


async def _grow(database: Database, *, rounds: int, seconds: float) -> None:
    """The same before and after; what fills the ledger are charges like the measured ones."""
    before = [await _grown(database, seconds, f"g0-{number}") for number in range(rounds)]
    for first in range(0, FILLED // 2, FILL_STEP):
        await database.write(partial(_fill, first=first))
    await administer_in(database)
    after = [await _grown(database, seconds, f"g1-{number}") for number in range(rounds)]
    for title, measured in (("an empty ledger", before), (f"{FILLED:,} entries", after)):
        best = max(one.pairs_s for one in measured)
        cpu_us = min(one.cpu_us for one in measured)
        print(f"{title:44}{best:9,.0f}{'':18}{cpu_us:13,.0f}", flush=True)
    ratio = max(one.pairs_s for one in after) / max(one.pairs_s for one in before)
    cpu = min(one.cpu_us for one in after) / min(one.cpu_us for one in before) - 1
    print(f"of what an empty ledger does: {ratio:.2f}; processor time of a pair: {cpu:+.0%}; bar within 15 %")


async def _grown(database: Database, seconds: float, name: str) -> Round:
    return await measure(database, at_once=64, hot=1, gathered=True, seconds=seconds, name=name)


async def administer_in(database: Database) -> None:
    """Lets the server look at what was filled, as it does by itself after a while."""
    await database.write(lambda tx: tx.execute(text("ANALYZE ledger_entries")))


def _fill(tx: Connection, *, first: int) -> None:
    """Charges that were held and captured, without going through the ledger's own door."""
    tx.execute(
        text(
            "INSERT INTO ledger_entries (account_id, charge_id, kind, units, hold_units, estimated, at)"
            " SELECT 'acc_' || n % 32, 'fill-' || n, kind, 10, CASE kind WHEN 'capture' THEN 10 END, false, :at"
            " FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n,"
            " unnest(ARRAY['hold', 'capture']) AS kind"
        ),
        {"first": first, "last": first + FILL_STEP - 1, "at": AT},
    )
    tx.execute(
        text(
            "UPDATE accounts SET balance_units = balance_units - 10 * filled.charges FROM"
            " (SELECT 'acc_' || n % 32 AS id, count(*) AS charges"
            " FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n GROUP BY 1) AS filled"
            " WHERE accounts.id = filled.id"
        ),
        {"first": first, "last": first + FILL_STEP - 1},
    )


async def _run(asked: argparse.Namespace) -> bool:
    if not await postgresql_answers():
        print("SKIPPED: no PostgreSQL server answers")
        return True
    await administer(f"CREATE DATABASE {NAME}")
    try:
        await migrate.upgrade(postgresql_url(NAME))
        database = await Database.open(postgresql_url(NAME))
        await database.write(_stock)
        work = _grow if asked.grow else _compare
        await work(database, rounds=asked.rounds, seconds=asked.seconds)
        proven = await database.read(verify)
        print(f"{proven.entries:,} entries, {len(proven.violations)} violations")
        await database.close()
        return proven.ok
    finally:
        await administer(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def _stock(tx: Connection) -> None:
    for number in range(32):
        accounts.create(tx, Account(f"acc_{number}", "benchmark", "prepaid", AT))
        ledger.grant(tx, account_id=f"acc_{number}", units=GRANTED, reason="benchmark", actor="benchmark", at=AT)


def main() -> int:
    """Runs it; 1 when the books are wrong."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.pairs", description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--grow", action="store_true", help="fill the ledger to a million entries")
    return 0 if uvloop.run(_run(options.parse_args())) else 1


if __name__ == "__main__":
    sys.exit(main())
