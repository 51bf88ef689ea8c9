"""The same big pictures through other gateways that are installed here (`peers.py`). They keep and count nothing."""

import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.peers import MODEL, Contestant, Starter, installed, nginx
from benchmarks.processes import cpu_s, family

TIMEOUT_S: Final = 300.0
VENDOR_MODEL: Final = "big"


def starters() -> list[Starter]:
    """Those that read what passes through them; nginx does not."""
    return [starter for starter in installed() if starter is not nginx]


def show(starter: Starter, vendor_port: int, text: bytes, *, connections: int, count: int) -> None:
    """Starts one, has `count` pictures drawn and prints its row. `text`: the picture as the vendor tells it, in base64.

    Raises: ValueError, when what comes is not that picture.
    """
    with tempfile.TemporaryDirectory() as directory, starter(Path(directory), vendor_port, VENDOR_MODEL) as peer:
        assert peer.pid is not None
        _draw(peer, text, 1)
        idle_mb = _memory_mb(peer.pid, "VmRSS")
        for one in family(peer.pid):
            Path(f"/proc/{one}/clear_refs").write_text("5")
        used_s, started = cpu_s(peer.pid), time.perf_counter()
        shares = [count // connections + (place < count % connections) for place in range(connections)]
        with ThreadPoolExecutor(connections) as crowd:
            list(crowd.map(lambda share: _draw(peer, text, share), shares))
        seconds, used_s = time.perf_counter() - started, cpu_s(peer.pid) - used_s
        mb = count * len(text) / 1e6
        print(
            f"{f'{peer.name}: generations, base64':38} {mb / seconds:6,.0f} MB/s {mb / used_s:8,.0f} MB/cpu-s "
            f"{_memory_mb(peer.pid, 'VmHWM') - idle_mb:+7,.0f} MB  (idle: {idle_mb:,.0f} MB)",
            flush=True,
        )


def _draw(peer: Contestant, text: bytes, times: int) -> None:
    """Asks so often, on one connection, for a picture inside the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", peer.port, timeout=TIMEOUT_S)
    body = json.dumps({"model": MODEL, "prompt": "a fox"})  # the vendor tells pictures in base64 anyhow
    headers = {**peer.headers, "content-type": "application/json"}
    for _ in range(times):
        connection.request("POST", "/v1/images/generations", body, headers)
        response = connection.getresponse()
        answer = response.read()
        if response.status != 200 or text not in answer:
            raise ValueError(f"{peer.name}: a wrong answer, status {response.status}: {answer[:500]!r}")
    connection.close()


def _memory_mb(pid: int, what: str) -> float:
    """Memory of a process and its children by the kernel's account of each: VmRSS is now, VmHWM the most there was."""
    return sum(_told_mb(one, what) for one in family(pid))


def _told_mb(pid: int, what: str) -> float:
    lines: Iterator[str] = iter(Path(f"/proc/{pid}/status").read_text().splitlines())
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{what}:")), 0.0)
