"""`serve --workers N`: one socket, several processes, one thing to start and to stop."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.cli.workers import SETTLED_S, Workers
from app.core.clock import Clock
from tests.metrics.scraping import scrape, value
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready, waited

pytestmark = pytest.mark.timeout(300)  # processes start slowly on a busy machine

ANSWERS_ITS_PID = """
import os, socket, sys, time
listener = socket.socket(fileno=int(sys.argv[-1]))
while True:
    connection, _ = listener.accept()
    connection.sendall(str(os.getpid()).encode())
    connection.close()
    time.sleep(0.05)  # the next one is another's
"""


class PatientClock(Clock):
    """Every reading is long after the one before: whatever ends has lived long."""

    def __init__(self) -> None:
        self._at = 0.0

    def monotonic(self) -> float:
        self._at += 10 * SETTLED_S
        return self._at


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


async def pids(port: int, count: int) -> set[int]:
    """The processes behind the socket, asked until `count` different ones have answered."""
    seen: set[int] = set()
    while len(seen) < count:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if told := await reader.read():
            seen.add(int(told))
        writer.close()
    return seen


def children(process: "subprocess.Popen[bytes]") -> list[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(pid) for pid in listed.split()]


def alive(pid: int) -> bool:
    """Zombies that nobody collects here are dead too."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


async def demand_that_metrics_add_up(url: str, processes: list[int]) -> None:
    """Whoever is asked tells what all have counted. Every client has its own connection: both get some."""
    clients = [httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) for _ in range(12)]
    for number, client in enumerate(clients):
        assert (await client.get("/v1/models", headers={"authorization": f"Bearer sk-{number}"})).status_code == 401
    told = [await scrape(client) for client in clients]
    assert [value(series, "oneshape_requests_total", surface="models", status="4xx") for series in told] == [12] * 12
    started_at = [value(series, "process_start_time_seconds") for series in told]
    assert len(set(started_at)) == 1, "of the times that they started, the first"
    assert value(told[-1], "process_resident_memory_bytes") > max(resident_bytes(pid) for pid in processes) * 1.3
    for client in clients:
        await client.aclose()


def resident_bytes(pid: int) -> float:
    """Memory of a process."""
    return float(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_a_process_that_dies_is_replaced_and_the_socket_stays(listener: socket.socket, tmp_path: Path) -> None:
    port = listener.getsockname()[1]
    workers = Workers((sys.executable, "-c", ANSWERS_ITS_PID), listener, count=2, clock=PatientClock(), folder=tmp_path)
    running = asyncio.create_task(workers.run())
    first = await pids(port, 2)
    victim = min(first)
    os.kill(victim, signal.SIGKILL)
    seen = await pids(port, 1)
    while not seen - first:
        seen |= await pids(port, 1)
    assert len(first) == 2
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert [pid for pid in first | seen if alive(pid)] == []


async def test_a_process_that_cannot_start_ends_them_all_with_an_error(listener: socket.socket, tmp_path: Path) -> None:
    workers = Workers((sys.executable, "-c", "raise SystemExit(2)"), listener, count=2, clock=Clock(), folder=tmp_path)
    assert await asyncio.wait_for(workers.run(), 20) == 1


def test_several_processes_need_postgresql(tmp_path: Path) -> None:
    environment = gateway_environment(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/x.db")
    with started(environment, "serve", "--workers", "2", directory=tmp_path) as process:
        assert process.wait(60) == 2
    assert "--workers needs PostgreSQL" in (tmp_path / "log").read_text(encoding="utf-8")


async def test_f15_two_processes_serve_and_a_signal_ends_both_in_order(postgresql_copy: str, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ("serve", "--workers", "2", "--port", str(port))
    with started(gateway_environment(tmp_path, postgresql_copy), *arguments, directory=tmp_path) as process:
        await wait_until_ready(url, process)
        started_processes = children(process)
        assert len(started_processes) == 2
        await demand_that_metrics_add_up(url, started_processes)
        process.send_signal(signal.SIGTERM)
        assert await waited(process) == 0
    assert [pid for pid in started_processes if alive(pid)] == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_processes_end_when_the_one_that_started_them_is_killed(postgresql_copy: str, tmp_path: Path) -> None:
    port = free_port()
    arguments = ("serve", "--workers", "2", "--port", str(port))
    with started(gateway_environment(tmp_path, postgresql_copy), *arguments, directory=tmp_path) as process:
        await wait_until_ready(f"http://127.0.0.1:{port}", process)
        orphans = children(process)
        process.kill()
        await waited(process)
        clock = Clock()
        until = clock.monotonic() + 30
        while any(alive(pid) for pid in orphans) and clock.monotonic() < until:
            await clock.sleep(0.05)
        left = [pid for pid in orphans if alive(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
    assert left == []
