"""Processes of a benchmark: each on a core of its own where that can be had, watched from outside."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

START_S = 30.0
GATEWAY_CORE, OTHERS_CORE = 0, 1


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def pinned(command: Sequence[str], core: int) -> list[str]:
    """The command, held to one core where `taskset` is installed and there are two."""
    if shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        return list(command)
    return ["taskset", "-c", str(core), *command]


def python(*arguments: str) -> list[str]:
    """A command that runs this interpreter."""
    return [sys.executable, *arguments]


@contextmanager
def running(
    command: Sequence[str],
    *,
    core: int,
    port: int,
    path: str,
    env: Mapping[str, str] | None = None,
    log: Path,
    within_s: float = START_S,
) -> Iterator[int]:
    """A process that listens; yields its id once it answers. Raises: RuntimeError when it does not in time."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            pinned(command, core), env={**os.environ, **(env or {})}, stdout=out, stderr=subprocess.STDOUT
        )
        try:
            _wait(process, f"http://127.0.0.1:{port}{path}", log, within_s)
            yield process.pid
        finally:
            process.terminate()
            process.wait(30)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and its children have used; 0 where the system does not tell."""
    used = 0.0
    for one in family(pid):
        stat = Path(f"/proc/{one}/stat")
        fields = stat.read_text().rpartition(")")[2].split() if stat.exists() else []
        used += sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
    return used


def rss_mb(pid: int) -> float:
    """Megabytes of memory that a process and its children have now."""
    return sum(_rss_mb(one) for one in family(pid))


def _rss_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), 0.0)


def family(pid: int) -> list[int]:
    """The process and those that it started and that still run."""
    started = Path(f"/proc/{pid}/task/{pid}/children")
    children = started.read_text().split() if started.exists() else []
    return [pid, *(one for child in children for one in family(int(child)))]


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path, within_s: float) -> None:
    until = time.monotonic() + within_s
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(url, timeout=1, verify=False).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-2000:]}")
