"""Metrics of processes that share a socket: sums, which never go back when one of them ends."""

import os
import subprocess
import sys
from pathlib import Path

from app.core.clock import Clock
from app.gateway.shared_metrics import FOLDER, add_up, forget_process
from tests.support.processes import ROOT

COUNTS = """
import sys
from pathlib import Path
from app.gateway.metrics import Metrics

metrics = Metrics(Path(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    metrics.request("images", "image", "m", 200, seconds=0.2)
metrics.loaded(running=int(sys.argv[2]), waiting=0, body_bytes=1000, memory=float(sys.argv[3]))
print("counted", flush=True)
sys.stdin.read()
"""


def counting(folder: Path, count: int, memory: float) -> "subprocess.Popen[str]":
    """A process that has counted so much, and lives until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", COUNTS, str(folder), str(count), str(memory)],
        env={**os.environ, FOLDER: str(folder), "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "counted\n"
    return process


def summed(folder: Path) -> dict[str, float]:
    """The samples by name; of those with labels, their sum."""
    found: dict[str, float] = {}
    for family in add_up(folder).collect():
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_counters_of_all_are_added_up_and_outlive_their_process(tmp_path: Path) -> None:
    processes = [counting(tmp_path, 3, 0.25), counting(tmp_path, 4, 0.5)]
    both = summed(tmp_path)
    assert (both["oneshape_requests_total"], both["oneshape_request_duration_seconds_count"]) == (7, 7)
    assert (both["oneshape_requests_running"], both["oneshape_body_bytes"]) == (7, 2000)
    assert both["oneshape_memory_ratio"] == 0.5
    for process in processes:
        process.communicate()
    forget_process(tmp_path, processes[1].pid)
    left = summed(tmp_path)
    assert (left["oneshape_requests_total"], left["oneshape_request_duration_seconds_count"]) == (7, 7)
    assert (left["oneshape_requests_running"], left["oneshape_body_bytes"]) == (3, 1000)
    assert left["oneshape_memory_ratio"] == 0.25


def test_memory_and_time_of_the_living_are_added_up(tmp_path: Path) -> None:
    processes = [counting(tmp_path, 1, 0.1), counting(tmp_path, 1, 0.1)]
    both = summed(tmp_path)
    assert both["process_resident_memory_bytes"] > 2e7
    assert Clock().now() - 600 < both["process_start_time_seconds"] < Clock().now() + 1
    processes[0].communicate()
    forget_process(tmp_path, processes[0].pid)
    assert 0 < summed(tmp_path)["process_resident_memory_bytes"] < both["process_resident_memory_bytes"]
    processes[1].communicate()
