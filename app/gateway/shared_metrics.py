"""The metrics of `serve --workers`: whichever process is asked answers for all that share the socket.

Each process writes its numbers to files of its own in a folder that they share, as prometheus_client's multiprocess
mode does it; whoever is asked adds them up. Counters of processes that have ended stay in the sum: it never goes back.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Metric, ProcessCollector
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names the folder. prometheus_client reads it when it is imported: it is set for a new process."""


def forget_process(folder: Path, pid: int) -> None:
    """Takes what an ended process had at this moment out of the sums, and leaves what it had counted."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def add_up(folder: Path) -> CollectorRegistry:
    """What all processes of the folder say now."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    registry.register(_Processes(folder))
    return registry


class _Processes(Collector):
    """Memory, processor time and open files of the processes that live, added up."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """One family for each that a single process would tell; of the times they started, the first."""
        summed: dict[str, Metric] = {}
        for pid in sorted({int(path.stem.rpartition("_")[2]) for path in self._folder.glob("gauge_live*_*.db")}):
            for family in ProcessCollector(registry=None, pid=partial(int, pid)).collect():
                if (known := summed.setdefault(family.name, family)) is not family:
                    _add(known, family)
        return summed.values()


def _add(known: Metric, other: Metric) -> None:
    both = min if known.name == "process_start_time_seconds" else _plus
    known.samples = [
        mine._replace(value=both(mine.value, its.value)) for mine, its in zip(known.samples, other.samples, strict=True)
    ]


def _plus(one: float, other: float) -> float:
    return one + other
