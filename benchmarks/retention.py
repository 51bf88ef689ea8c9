"""Removing old records on PostgreSQL: how fast a million rows go, how long others wait, and what room is used again.

`python -m benchmarks.retention`. Tasks with an attempt and a picture each, and as many chats, are made, removed as the
worker removes them (without its rests), vacuumed, and made again. Needs a PostgreSQL server.
"""

import argparse
import os
import sys
import time
from functools import partial
from typing import Final

import uvloop
from sqlalchemy import text

from app.store import accounts, keys, migrate
from app.store.accounts import Account
from app.store.database import Database, Tx
from app.store.keys import Key
from app.store.retention import Before, Pruned, prune
from app.store.sql import allow_long
from app.worker.retention import BATCH
from tests.support.databases import administer, postgresql_answers, postgresql_url

NAME: Final = f"oneshape_retention_{os.getpid()}"
ROWS: Final = 1_000_000
STEP: Final = 25_000
LONG_S: Final = 120
OLD: Final = 1_000_000_000.0
TABLES: Final = ("tasks", "attempts", "media", "chats")
_NUMBERS: Final = "FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS n"
_FILL: Final = (
    f"""
    INSERT INTO tasks (id, account_id, key_id, model, surface, mode, status, request, n, price_units, hold_units, units,
        images_delivered, catalog_revision, progress, cancel_requested, warnings, text, user_metadata, created_at,
        started_at, finished_at, deadline_at)
    SELECT 'task_' || md5(n::text), 'acc_0', 'key_0', 'model', 'openai_images', 'sync', 'succeeded',
        json_build_object('prompt', repeat('a prompt ', 19)), 1, 10, 10, 10, 1, 1, 100, false, '[]', '', '{{}}',
        :at + n, :at, :at, :at {_NUMBERS}
    """,
    f"""
    INSERT INTO attempts (id, task_id, slot, ordinal, vendor, vendor_model, credential, state, images_asked,
        images_delivered, cost_units, exposure_units, created_at, sent_at, finished_at)
    SELECT 'att_' || md5('a' || n), 'task_' || md5(n::text), 0, 0, 'vendor', 'model', 'one', 'accepted', 1, 1, 9, 0,
        :at, :at, :at {_NUMBERS}
    """,
    f"""
    INSERT INTO media (id, task_id, account_id, role, position, mime, extension, width, height, size_bytes, sha256,
        created_at, expires_at, erased_at)
    SELECT 'med_' || md5('m' || n), 'task_' || md5(n::text), 'acc_0', 'output', 0, 'image/png', 'png', 2048, 2048,
        3000000, repeat('0', 64), :at, :at, :at {_NUMBERS}
    """,
    f"""
    INSERT INTO chats (id, account_id, key_id, model, vendor, vendor_model, outcome, input_tokens, cached_input_tokens,
        output_tokens, estimated, units, cost_units, exposure_units, created_at, finished_at)
    SELECT 'chatcmpl_' || lpad(n::text, 26, '0'), 'acc_0', 'key_0', 'text', 'vendor', 'model', 'succeeded', 20, 0, 9,
        false, 9, 3, 0, :at + n, :at {_NUMBERS}
    """,
)


async def measure(database: Database, rows: int) -> None:
    """Makes, removes, vacuums and makes again, and prints."""
    await _fill(database, rows)
    print(f"{rows:,} rows: {await database.read(_megabytes)} MB with indexes")
    removed, longest_s, began = Pruned(), 0.0, time.monotonic()
    batch = partial(prune, before=Before(tasks=2 * OLD, chats=2 * OLD), limit=BATCH)
    while True:
        started = time.monotonic()
        done = await database.write(batch, flush=False)
        longest_s = max(longest_s, time.monotonic() - started)
        if not done:
            break
        removed += done
    took_s = time.monotonic() - began
    gone = removed.tasks + removed.attempts + removed.media + removed.chats
    print(f"{gone:,} removed in {took_s:.0f} s, {gone / took_s:,.0f} a second; longest batch {longest_s * 1e3:.0f} ms")
    began = time.monotonic()
    for table in TABLES:
        await administer(f"VACUUM {table}", database=NAME)
    print(f"vacuumed in {time.monotonic() - began:.1f} s: {await database.read(_megabytes)} MB")
    await _fill(database, rows)
    print(f"made again: {await database.read(_megabytes)} MB")


async def _fill(database: Database, rows: int) -> None:
    each = rows // len(TABLES)
    for first in range(0, each, STEP):
        await database.write(partial(_add, first=first, last=min(first + STEP, each) - 1), flush=False)


def _add(tx: Tx, *, first: int, last: int) -> None:
    allow_long(tx, seconds=LONG_S)
    for statement in _FILL:
        tx.execute(text(statement), {"first": first, "last": last, "at": OLD})


def _megabytes(tx: Tx) -> int:
    sizes = " + ".join(f"pg_total_relation_size('{table}')" for table in TABLES)
    return int(tx.execute(text(f"SELECT ({sizes}) >> 20")).scalar_one())


def _stock(tx: Tx) -> None:
    accounts.create(tx, Account("acc_0", "benchmark", "prepaid", OLD))
    keys.create(tx, Key("key_0", "acc_0", "benchmark", "hash", "hint", OLD))


async def _run(rows: int) -> None:
    if not await postgresql_answers():
        print("SKIPPED: no PostgreSQL server answers")
        return
    await administer(f"CREATE DATABASE {NAME}")
    try:
        await migrate.upgrade(postgresql_url(NAME))
        database = await Database.open(postgresql_url(NAME))
        await database.write(_stock)
        await measure(database, rows)
        await database.close()
    finally:
        await administer(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")


def main() -> int:
    """Runs it."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.retention", description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    uvloop.run(_run(options.parse_args().rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
