"""Async tasks: how fast they are taken in, what ten thousand of them in flight cost, and how soon a result is seen.

Every task must end with its picture, be sent to the vendor once and be charged once. The vendor is polled as the
dialect does it.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import httpx
import uvloop

from benchmarks.gateway import Gateway, gateway
from benchmarks.processes import OTHERS_CORE, cpu_s, free_port, python, running
from benchmarks.text import percentile

CONNECTIONS: Final = 32
KEYS: Final = 20
"""Over so many accounts are the tasks that nobody waits for: one key may have a thousand in the queue."""
FAR_S: Final = 3600.0
PER_S: Final = 20
WATCH_S: Final = 10.0
DONE_S: Final = 300
PRICE_UNITS: Final = 50_000
CATALOG: Final = """
version: 1
currency: USD
vendors:
  drawing:
    dialect: image_tasks
    base_url: "http://127.0.0.1:{port}/v1"
    api_keys: [k-1]
    concurrency: 100000
    timeout_s: 3600
models:
  - {{id: drawn, kind: image, price: {{per_image: "0.05"}}, targets: [{{vendor: drawing, model: d}}]}}
"""


@dataclass(slots=True)
class Seen:
    """Milliseconds from done at the vendor to seen by the client, one for each task; what was wrong."""

    late_ms: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        ordered = sorted(self.late_ms)
        p50, p99 = percentile(ordered, 0.5), percentile(ordered, 0.99)
        return f"p50 {p50:,.0f} ms, p99 {p99:,.0f} ms of {len(ordered):,}"


def compare(*, quick: bool) -> bool:
    """Prints the figures; whether every answer and the ledger were right."""
    affinity = os.sched_getaffinity(0)
    if len(affinity) > 1:
        os.sched_setaffinity(0, {OTHERS_CORE})
    try:
        with tempfile.TemporaryDirectory(prefix="oneshape-bench-") as name:
            directory, vendor_port = Path(name), free_port()
            command = python("-m", "benchmarks.task_vendor", str(vendor_port))
            with (
                running(command, core=OTHERS_CORE, port=vendor_port, path="/counts", log=directory / "vendor.log"),
                gateway(
                    directory,
                    CATALOG.format(port=vendor_port),
                    TASK_DEADLINE_S="7200",
                    MIN_FREE_DISK_MB="0",
                    LOG_LEVEL="warning",
                ) as serving,
            ):
                return uvloop.run(_run(serving, vendor_port, quick=quick))
    finally:
        os.sched_setaffinity(0, affinity)


async def _run(serving: Gateway, vendor_port: int, *, quick: bool) -> bool:
    headers = {"authorization": f"Bearer {serving.new_key()}"}
    connector, timeout = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(total=900)
    count, sample, far_s = (1_000, 60, 15.0) if quick else (10_000, 200, 75.0)
    print(f"\nasync tasks, {CONNECTIONS} connections")
    idle_mb = serving.rss_mb()
    async with aiohttp.ClientSession(serving.url, headers=headers, connector=connector, timeout=timeout) as client:
        alone = await _watched_all(client, sample, from_s=3.0, to_s=3.0 + sample / PER_S)
        print(f"done at the vendor to seen, {PER_S} a second: {alone}; bar p99 <= 1,500 ms")
        begun_at = time.time()
        watching = asyncio.create_task(_watched_all(client, sample, from_s=far_s, to_s=far_s + sample / PER_S))
        keys = [serving.new_key() for _ in range(KEYS)]
        began, cpu = time.perf_counter(), cpu_s(serving.pid)
        await _order_many(client, keys, count)
        rate, cpu_us = count / (time.perf_counter() - began), (cpu_s(serving.pid) - cpu) / count * 1e6
        print(f"taken in: {rate:,.0f} tasks/s, {cpu_us:,.0f} µs of a core each, beside the work on them; bar >= 800")
        await asyncio.sleep(max(begun_at + far_s - WATCH_S - time.time(), 0))
        before, polled = cpu_s(serving.pid), _ask(vendor_port, "counts")["polled"]
        await asyncio.sleep(WATCH_S)
        share, counts = (cpu_s(serving.pid) - before) / WATCH_S, _ask(vendor_port, "counts")
        polls = (counts["polled"] - polled) / WATCH_S
        print(
            f"{count + sample:,} in flight, {counts['created'] - sample:,} of them at the vendor:"
            f" {serving.rss_mb():.0f} MB ({idle_mb:.0f} MB before); bar <= 200 MB."
            f" {polls:,.0f} polls/s on {share:.2f} of a core"
        )
        beside = await watching
        print(f"done at the vendor to seen, beside these: {beside}; bar p99 <= 1,500 ms")
        await _all_done(serving, vendor_port, count)
    verified = await asyncio.to_thread(serving.verified)
    entries = 1 + KEYS + 2 * (count + 2 * sample)  # grants; a hold and a capture for each task
    wrong = [*alone.wrong, *beside.wrong]
    if verified["entries"] != entries:
        wrong.append(f"{verified['entries']:,} ledger entries where {entries:,} are right")
    if (created := _ask(vendor_port, "counts")["created"]) != count + 2 * sample:
        wrong.append(f"{created:,} tasks at the vendor where {count + 2 * sample:,} are right")
    print("\n".join(wrong[:5]) if wrong else f"all pictures came; {entries:,} ledger entries, right")
    return not wrong and bool(verified["ok"])


async def _all_done(serving: Gateway, vendor_port: int, count: int) -> None:
    """The vendor has drawn all that is left: how long until it is stored and charged."""
    began, cpu = time.perf_counter(), cpu_s(serving.pid)
    _ask(vendor_port, "done")
    for _ in range(DONE_S):
        if not _in_progress(serving):
            break
        await asyncio.sleep(1)
    seconds, cpu_ms = time.perf_counter() - began, (cpu_s(serving.pid) - cpu) / count * 1e3
    print(
        f"all {count:,} done at the vendor at once: stored and charged within {seconds:.0f} s,"
        f" {cpu_ms:.1f} ms of a core each; {serving.rss_mb():.0f} MB then"
    )


def _in_progress(serving: Gateway) -> bool:
    with serving.admin() as admin:
        return bool(admin.get("/admin/tasks?status=in_progress&limit=1").json()["items"])


async def _watched_all(client: aiohttp.ClientSession, count: int, *, from_s: float, to_s: float) -> Seen:
    """Orders tasks that will be done at the vendor one after the other within that time from now; watches all."""
    seen, now = Seen(), time.time()
    due = [now + from_s + (to_s - from_s) * number / count for number in range(count)]
    watching = []
    for due_at in due:
        watching.append(asyncio.create_task(_watched(client, due_at, seen)))
        await asyncio.sleep(0.5 / PER_S)
    await asyncio.gather(*watching)
    return seen


async def _watched(client: aiohttp.ClientSession, due_at: float, seen: Seen) -> None:
    task_id = await _order(client, due_at)
    data: dict[str, Any] = {"status": "queued"}
    while data["status"] in ("queued", "in_progress"):
        async with client.get(f"/v1/images/tasks/{task_id}?wait=60") as response:
            data = (await response.json())["data"]
    seen.late_ms.append((time.time() - due_at) * 1000)
    if data["status"] != "succeeded" or len(data["results"]) != 1 or data["oneshape"]["units"] != PRICE_UNITS:
        seen.wrong.append(f"{task_id}: {data}")


async def _order_many(client: aiohttp.ClientSession, keys: list[str], count: int) -> None:
    """As many tasks, by the keys in turn, that nobody waits for."""
    left, due_at = list(range(count)), time.time() + FAR_S

    async def orders() -> None:
        while left:
            await _order(client, due_at, keys[left.pop() % len(keys)])

    await asyncio.gather(*(orders() for _ in range(CONNECTIONS)))


async def _order(client: aiohttp.ClientSession, due_at: float, key: str = "") -> str:
    said = {"model": "drawn", "prompt": f"done at {due_at:.3f}"}
    headers = {"authorization": f"Bearer {key}"} if key else {}
    async with client.post("/v1/images/tasks", json=said, headers=headers) as response:
        document = await response.json()
        if response.status != 202:
            raise RuntimeError(f"{response.status}: {document}")
        task_id: str = document["data"]["task_id"]
        return task_id


def _ask(port: int, what: str) -> Any:
    return httpx.get(f"http://127.0.0.1:{port}/{what}", verify=False).json()
