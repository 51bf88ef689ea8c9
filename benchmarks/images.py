"""Big pictures, from vendors and from clients: how fast they pass, what memory they take, and who waits meanwhile.

python -m benchmarks.images [--quick | --matrix]; fails when a picture is not the vendor's, byte by byte, or the ledger
is wrong. `--matrix` takes every surface, whole and streamed, with every dialect.
"""

import argparse
import base64
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Final

import uvloop

from benchmarks import picture_peers
from benchmarks.picture_gateway import Gateway, Retention, running
from benchmarks.picture_load import Connection, Pulse, connected, in_crowd
from benchmarks.picture_vendor import picture
from benchmarks.picture_ways import Shop, Way, all_uploads, all_ways, uploads, ways

CONNECTIONS: Final = 16
PEERS_PICTURES: Final = 32
BARS: Final = "bars: pictures >= 300 MB/s of vendor JSON, uploads >= 200 MB/s; memory <= +96 MB; /healthz p99 <= 100 ms"
WARMING: Final = 64
"""Pictures that count for nothing: until as many are stored as will be, each new one takes new memory."""
LARGEST: Final = "chat <- openai_images, base64"
"""The way of these, with the largest answers: so the memory that all answers arrive in is made."""
IN_BUCKET: Final = ("generations <- openai_images", "upload: edits, form", "upload: tasks")
"""The rows that are measured with a bucket too."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one way, in MB/s and MB."""

    name: str
    speed: float
    memory: float


async def measure(
    gateway: Gateway, connections: Sequence[Connection], way: Way, count: int, idle_mb: float, *, look: bool = False
) -> Row:
    """Runs one way and prints its row. `look`: fetches the pictures behind the links, the newest again and again."""
    urls: list[str] = []

    async def one(connection: Connection) -> None:
        urls.extend(await way.ask(connection))

    gateway.forget_peak()
    cpu_s = gateway.cpu_s()
    with Pulse(gateway.port) as pulse:
        seconds = await in_crowd(connections, count, one)
    cpu_s = gateway.cpu_s() - cpu_s
    row = Row(way.name, count * way.mb / seconds, gateway.peak_mb() - idle_mb)
    print(
        f"{row.name:46} {row.speed:6,.0f} MB/s {count * way.mb / cpu_s:8,.0f} MB/cpu-s {row.memory:+7,.0f} MB "
        f"{pulse.percentile_ms(0.5):7.1f} {pulse.percentile_ms(0.99):7.1f} ms",
        flush=True,
    )
    if look and urls:
        newest = cycle(urls[-CONNECTIONS:])
        looking = Way(
            "  and the links of these, fetched", len(picture()) / 1e6, partial(Shop(gateway).look, urls=newest)
        )
        await measure(gateway, connections, looking, count, idle_mb)
    return row


def fsync_mb_s(directory: Path) -> float:
    """How fast the disk takes pictures for good: nothing that keeps them durably can be faster."""
    started = time.perf_counter()
    for _ in range(8):
        with (directory / "probe").open("wb") as file:
            file.write(picture())
            file.flush()
            os.fsync(file.fileno())
    return 8 * len(picture()) / (time.perf_counter() - started) / 1e6


async def run(gateway: Gateway, chosen: Sequence[Way], sent: Sequence[Way], *, count: int, look: bool) -> bool:
    """Prints all rows, then what the ledger says; whether everything was right."""
    # One set of connections for all: the memory that answers arrive in would else be made anew for every row.
    connections = [await connected(gateway.port) for _ in range(CONNECTIONS)]
    print(f"{'':46} {'speed':>11} {'per core':>17} {'memory':>10} {'healthz p50':>9} {'p99':>4}")
    with Retention(gateway.media):
        largest = next(way for way in ways(gateway, quick=True) if way.name == LARGEST)
        await measure(gateway, connections, largest, 1, gateway.rss_mb())
        idle_mb = gateway.rss_mb()
        print(f"idle: {idle_mb:,.0f} MB", flush=True)
        await in_crowd(connections, WARMING, largest.ask)
        drawn = [await measure(gateway, connections, way, count, idle_mb, look=look) for way in chosen]
        taken = [await measure(gateway, connections, way, count, idle_mb) for way in sent]
    for connection in connections:
        connection.close()
    for what, rows in (("pictures", drawn), ("uploads", taken)):
        if rows:
            print(
                f"{what}: median {statistics.median(row.speed for row in rows):,.0f} MB/s, "
                f"least {min(row.speed for row in rows):,.0f}, most memory {max(row.memory for row in rows):+,.0f} MB"
            )
    print(BARS)
    intact = gateway.counts()["intact"]
    verified = gateway.get("/admin/ledger/verify")
    if intact != count * len(sent) or not verified["ok"]:
        print(f"wrong: {intact} of {count * len(sent)} references arrived whole; the ledger says {verified}")
        return False
    print(f"every picture was the vendor's, every reference arrived whole; {verified['entries']} ledger entries, right")
    return True


def compare(
    *, quick: bool, matrix: bool = False, directory: Path | None = None, pictures: int = 0, only: str = ""
) -> bool:
    """Measures on the disk of `directory`, and with a bucket; whether every picture and the ledger were right."""
    count = pictures or (32 if quick or matrix else 64)

    def is_right(gateway: Gateway, names: Sequence[str] = ("",)) -> bool:
        drawn, sent = ways(gateway, quick=quick), uploads(gateway, quick=quick)
        if matrix:
            drawn, sent = all_ways(gateway), all_uploads(gateway)
        drawn, sent = (
            [way for way in found if only in way.name and any(name in way.name for name in names)]
            for found in (drawn, sent)
        )
        if not drawn and not sent:
            return True
        return uvloop.run(run(gateway, drawn, sent, count=count, look=not matrix))

    try:
        with tempfile.TemporaryDirectory(dir=directory) as data:
            disk_mb_s = fsync_mb_s(Path(data))
            print(f"big pictures, {CONNECTIONS} at once; this disk keeps {disk_mb_s:,.0f} MB/s of them for good")
            with running(Path(data)) as gateway:
                right = is_right(gateway)
                for starter in [] if matrix else picture_peers.starters():
                    text = base64.b64encode(picture())
                    shown = pictures or PEERS_PICTURES
                    picture_peers.show(starter, gateway.vendor_port, text, connections=CONNECTIONS, count=shown)
        with tempfile.TemporaryDirectory(dir=directory) as data, running(Path(data), in_bucket=True) as gateway:
            print("\nthe same with pictures in a bucket")
            return is_right(gateway, IN_BUCKET) and right
    except (ValueError, ConnectionError) as error:
        print(f"wrong: {error}")
        return False


def main() -> None:
    """Reads the options. Exits with 1 when something was wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer ways, fewer pictures")
    options.add_argument("--matrix", action="store_true", help="every surface with every dialect")
    options.add_argument("--pictures", type=int, default=0, help="how many for each row")
    options.add_argument("--only", default="", help="rows whose name contains this")
    options.add_argument("--directory", type=Path, default=None, help="where the gateway keeps its data")
    chosen = options.parse_args()
    right = compare(
        quick=chosen.quick,
        matrix=chosen.matrix,
        directory=chosen.directory,
        pictures=chosen.pictures,
        only=chosen.only,
    )
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
