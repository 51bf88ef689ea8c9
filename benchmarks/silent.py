"""What a crowd that says nothing costs the others (C43, F13): latency of honest requests beside it, and how it ends."""

import argparse
import asyncio
import statistics
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from app.cli.serving import allow_connections
from app.core.clock import Clock
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready

HEADER_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Silence:
    """Milliseconds of honest requests without and with the crowd; how many of it were closed when its time was up."""

    connections: int
    p50_alone_ms: float
    p99_alone_ms: float
    p50_beside_ms: float
    p99_beside_ms: float
    closed: int

    def __str__(self) -> str:
        return (
            f"{self.connections:,} silent connections: p50 {self.p50_alone_ms:.2f} -> {self.p50_beside_ms:.2f} ms, "
            f"p99 {self.p99_alone_ms:.2f} -> {self.p99_beside_ms:.2f} ms; {self.closed:,} closed when their time was up"
        )


async def run(directory: Path, *, connections: int, requests: int) -> Silence:
    """Measures against a process of its own."""
    allow_connections(connections)
    port = free_port()
    environment = gateway_environment(
        directory,
        f"sqlite+aiosqlite:///{directory}/oneshape.db",
        port=str(port),
        header_timeout_s=str(HEADER_TIMEOUT_S),
    )
    with started(environment, "serve", directory=directory) as process:
        url = f"http://127.0.0.1:{port}"
        await wait_until_ready(url, process)
        await _latencies(url, requests // 4)
        alone = await _latencies(url, requests)
        async with AsyncExitStack() as crowd:
            readers = await _crowd(crowd, url, connections)
            beside = await _latencies(url, requests)
            await asyncio.wait(
                [asyncio.create_task(reader.read(-1)) for reader in readers], timeout=HEADER_TIMEOUT_S + 1
            )
            closed = sum(reader.at_eof() for reader in readers)
        return Silence(connections, *_quantiles(alone), *_quantiles(beside), closed)


async def _crowd(crowd: AsyncExitStack, url: str, count: int) -> list[asyncio.StreamReader]:
    """Half of it says nothing, half of it begins a request and stops."""
    place, readers = urlsplit(url), []
    for number in range(count):
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        crowd.callback(writer.close)
        if number % 2:
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        readers.append(reader)
    return readers


async def _latencies(url: str, count: int) -> list[float]:
    clock, taken = Clock(), []
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(count):
            began = clock.monotonic()
            await client.get("/healthz")
            taken.append((clock.monotonic() - began) * 1000)
    return taken


def _quantiles(taken: list[float]) -> tuple[float, float]:
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=2000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        print(asyncio.run(run(Path(directory), connections=asked.connections, requests=asked.requests)))


if __name__ == "__main__":
    main()
