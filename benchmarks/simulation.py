"""Plans past one machine: what N replicas and so many vendor calls a second ask of the database, and what breaks first.

`python -m benchmarks.simulation --replicas 100 --calls 10000`. It computes; nothing is started. Constants were measured
or are settings; what a server can do is put in by the options, from `python -m benchmarks.pairs` and `pgbench`.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from app.settings import Settings
from app.store.postgresql import OVERFLOW

DAY_S: Final = 86_400
YEAR_DAYS: Final = 365
GB: Final = 1e9

PICTURE_STATEMENTS: Final = 23
"""Measured: a synchronous picture at one vendor, 12 of them, on PostgreSQL; without what a process does by itself."""
PICTURE_COMMITS: Final = 4
"""Measured with it: admission, intended, sent, settlement. Of a busy account the first and the last are shared."""
IDLE_STATEMENTS_S, IDLE_COMMITS_S = 8.8, 3.2
"""Measured: what one process with one vendor in use does for itself: queues, places, health, catalog, heartbeat."""
PICTURE_ROWS: Final = {"ledger_entries": 2, "tasks": 1, "attempts": 1.1, "media": 1}
TEXT_ROWS: Final = {"ledger_entries": 2, "chats": 1}
ROW_BYTES: Final = {"ledger_entries": 280, "tasks": 920, "attempts": 540, "media": 440, "chats": 350}
"""Measured: tables of 4,000 to 8,000 usual rows with their indexes, PostgreSQL 15. A prompt of 170 characters."""
TEXT_BATCH: Final = 32
"""Requests per transaction of text chat under load: half of them hold, half settle."""
TEXT_BATCH_STATEMENTS: Final = 11
PICTURE_BYTES: Final = 3e6
DELETES_S: Final = 7_000
"""Measured (`benchmarks.retention`): rows removed a second, those that belong to a task counted each, were 14,000 to
23,000 by a connection that never rests; the worker rests half of its time.
"""


LEDGER_ROWS: Final = 5e9
"""Assumed: a table that a vacuum, an index or a restore still gets through in a day, 1.4 TB with its indexes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for. `pictures`: which share of the calls draws pictures, the rest is text."""

    replicas: int
    calls_s: float
    pictures: float
    busiest_account: float
    keep_days: int
    commits_s: float
    statements_s: float
    account_s: float
    max_connections: int
    picture_s: float = 20.0
    settings: Settings = field(default_factory=lambda: Settings(_env_file=None))


@dataclass(frozen=True, slots=True)
class Demand:
    """How much of something is asked for, and how much there is. None: there is no limit of ours.

    `in_time`: it does not break at once, it piles up.
    """

    what: str
    asked: float
    there_is: float | None
    remedy: str = ""
    in_time: bool = False

    @property
    def used(self) -> float:
        """The share that is used; 1 is the end."""
        return 0.0 if not self.there_is else self.asked / self.there_is


def demands(plan: Plan) -> Iterator[Demand]:
    """Everything that grows with replicas or calls."""
    pictures, texts = plan.calls_s * plan.pictures, plan.calls_s * (1 - plan.pictures)
    batches = 2 * max(
        texts / TEXT_BATCH, min(texts, 30 * plan.replicas)
    )  # each process writes its own, often small ones
    yield from _connections(plan)
    commits = pictures * PICTURE_COMMITS + batches + plan.replicas * IDLE_COMMITS_S
    yield Demand("commits a second", commits, plan.commits_s, "a faster disk for the log; fewer, larger processes")
    statements = pictures * PICTURE_STATEMENTS + batches * TEXT_BATCH_STATEMENTS + plan.replicas * IDLE_STATEMENTS_S
    yield Demand("statements a second", statements, plan.statements_s, "a larger server; then one database per shard")
    yield Demand(
        "pairs a second of the busiest account",
        plan.calls_s * plan.busiest_account,
        plan.account_s,
        "several accounts: a row has one writer at a time",
    )
    yield Demand("of these statements, what nobody asked for", plan.replicas * IDLE_STATEMENTS_S, None)
    yield Demand("pictures being drawn at once", pictures * plan.picture_s, None)
    yield from _rows(plan, pictures, texts)


def _connections(plan: Plan) -> Iterator[Demand]:
    each = plan.settings.database_pool + OVERFLOW
    yield Demand(
        f"connections, {each} of each process at most",
        plan.replicas * each,
        plan.max_connections,
        "ONESHAPE_DATABASE_POOL=3, larger max_connections, or a pooler in session mode",
    )


def _rows(plan: Plan, pictures: float, texts: float) -> Iterator[Demand]:
    per_day = {
        table: DAY_S * (pictures * PICTURE_ROWS.get(table, 0) + texts * TEXT_ROWS.get(table, 0)) for table in ROW_BYTES
    }
    for table, rows in per_day.items():
        yield Demand(f"rows a day in {table}", rows, None)
    removable = sum(rows for table, rows in per_day.items() if table != "ledger_entries")
    yield Demand(
        "rows to remove a day",
        removable,
        DELETES_S * DAY_S,
        "several installations; then partitions by day",
        in_time=True,
    )
    ledger = per_day["ledger_entries"] * YEAR_DAYS
    yield Demand(
        "rows in the ledger after a year", ledger, LEDGER_ROWS, "archive closed months by account", in_time=True
    )
    kept = sum(rows * ROW_BYTES[table] * plan.keep_days for table, rows in per_day.items() if table != "ledger_entries")
    yield Demand("GB of tables that are kept", kept / GB, None)
    yield Demand("GB of the ledger a year", ledger * ROW_BYTES["ledger_entries"] / GB, None)
    days = plan.settings.media_ttl_hours / 24
    yield Demand("GB of pictures kept", pictures * DAY_S * days * PICTURE_BYTES / GB, None)


def show(plan: Plan) -> None:
    """Prints what is asked for, the scarcest first, and what breaks first."""
    found = list(demands(plan))
    for one in sorted(found, key=lambda one: one.used, reverse=True):
        limit = f"of {one.there_is:14,.0f}  {one.used:7.0%}" if one.there_is else ""
        print(f"{one.what:52}{one.asked:18,.0f} {limit}{'  -> ' + one.remedy if one.used > 0.7 and one.remedy else ''}")
    for in_time, says in ((False, "Breaks first, at once"), (True, "Piles up first")):
        first = max((one for one in found if one.in_time is in_time), key=lambda one: one.used)
        most = plan.calls_s / first.used if first.used else 0.0
        print(f"{says}: {first.what}, from {most:,.0f} calls a second on if all grows alike.")


def main() -> int:
    """Reads the options and prints."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    options.add_argument("--replicas", type=int, default=100)
    options.add_argument("--calls", type=float, default=10_000, help="vendor calls a second")
    options.add_argument("--pictures", type=float, default=0.1, help="share of them that draw pictures")
    options.add_argument("--busiest-account", type=float, default=0.05, help="share of the busiest account")
    options.add_argument("--keep-days", type=int, default=400)
    options.add_argument("--commits", type=float, default=8_000, help="flushed commits a second of the server")
    options.add_argument("--statements", type=float, default=60_000, help="short statements a second of the server")
    options.add_argument("--account", type=float, default=1_500, help="pairs a second of an account (benchmarks.pairs)")
    options.add_argument("--max-connections", type=int, default=500)
    said = options.parse_args()
    show(
        Plan(
            replicas=said.replicas,
            calls_s=said.calls,
            pictures=said.pictures,
            busiest_account=said.busiest_account,
            keep_days=said.keep_days,
            commits_s=said.commits,
            statements_s=said.statements,
            account_s=said.account,
            max_connections=said.max_connections,
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
