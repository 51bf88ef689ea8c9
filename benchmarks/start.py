"""How long the gateway takes from its start to its first answer, and what memory it has when nothing is asked.

The first answer is a chat completion, authenticated, held, sent to a vendor, captured; on an empty disk the database is
made before that. A start uses the bytecode that an earlier one has written, whatever the environment of the benchmark
says about writing it; what the very first costs is told beside it.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx

from benchmarks.gateway import SERVE, environment, gateway
from benchmarks.peers import MODEL
from benchmarks.processes import GATEWAY_CORE, OTHERS_CORE, free_port, pinned, python, rss_mb, running
from benchmarks.text import BODY, CATALOG, CHUNKS

IDLE_S: Final = 3.0
GIVE_UP_S: Final = 120.0
WRITTEN: Final = {"PYTHONDONTWRITEBYTECODE": ""}


def compare(*, rounds: int) -> bool:
    """Prints the times; whether every answer was right."""
    with tempfile.TemporaryDirectory(prefix="oneshape-bench-") as name:
        directory, vendor_port = Path(name), free_port()
        command = python("-m", "benchmarks.canned", str(vendor_port), str(CHUNKS))
        catalog = CATALOG.format(port=vendor_port)
        with running(command, core=OTHERS_CORE, port=vendor_port, path="/counts", log=directory / "vendor.log"):
            with gateway(directory, catalog) as first:
                key = first.new_key()
            none = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPYCACHEPREFIX": str(directory / "none")}
            without = [_started(directory, catalog, key, none)[0] for _ in range(rounds)]
            _started(directory / "to be written", catalog, None, WRITTEN)
            empty = [_started(directory / f"empty {number}", catalog, None, WRITTEN)[0] for number in range(rounds)]
            used = [_started(directory, catalog, key, WRITTEN) for _ in range(rounds)]
    print(f"\nstart to the first answer: {min(seconds for seconds, _ in used):.2f} s; bar <= 2.5 s")
    print(f"on an empty disk to the first /healthz: {min(empty):.2f} s; without bytecode: {min(without):.2f} s")
    print(f"memory when idle: {min(memory for _, memory in used):.0f} MB; bar <= 130 MB")
    return True


def _started(directory: Path, catalog: str, key: str | None, bytecode: Mapping[str, str]) -> tuple[float, float]:
    """Seconds to the first answer, and megabytes a while later. Without a key the answer is that it is alive."""
    directory.mkdir(exist_ok=True)
    port = free_port()
    log = (directory / "start.log").open("wb")
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", verify=False, timeout=10)
    began = time.perf_counter()
    env = {**os.environ, **bytecode, **environment(directory, catalog, port, {})}
    process = subprocess.Popen(pinned(SERVE, GATEWAY_CORE), env=env, stdout=log, stderr=log)
    try:
        while not _answers(client, key):
            if process.poll() is not None or time.perf_counter() - began > GIVE_UP_S:
                raise RuntimeError((directory / "start.log").read_text()[-2000:])
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        time.sleep(IDLE_S)
        return seconds, rss_mb(process.pid)
    finally:
        process.terminate()
        process.wait(30)
        client.close()
        log.close()


def _answers(client: httpx.Client, key: str | None) -> bool:
    try:
        if key is None:
            return client.get("/healthz").status_code == 200
        answer = client.post("/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {key}"})
    except httpx.TransportError:
        return False
    if answer.status_code != 200 or answer.json()["model"] != MODEL:
        raise RuntimeError(f"the first answer is wrong: {answer.text[:500]}")
    return True
