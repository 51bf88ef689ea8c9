"""How full the memory is that this process may have, as the kernel tells it: its control groups', or the machine's.

A process that passes its group's limit is killed with all that it was doing, so `load` refuses work before (fault-cases
section 5). Cached pages of files do not count: the kernel takes them back before it kills.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

ROOT: Final = Path("/")
UNLIMITED: Final = 1 << 62
"""What version 1 says for no limit, and more than there is."""


@dataclass(frozen=True, slots=True)
class Group:
    """One control group that has a limit."""

    limit: int
    usage: Path
    statistics: Path
    cached: frozenset[str]

    def fullness(self) -> float:
        """Part of the limit that is in use. Raises: OSError, ValueError."""
        used = int(self.usage.read_bytes())
        return max(used - _sum(self.statistics, self.cached), 0) / self.limit


class Memory:
    """Tells it, by reading a few lines of the kernel's."""

    def __init__(self, groups: tuple[Group, ...], *, own: Path, own_limit: int) -> None:
        self._groups = groups
        self._own = own
        self._own_limit = own_limit

    @classmethod
    def of_this_process(cls, limit: int | None = None, *, root: Path = ROOT) -> Self:
        """`limit`: bytes of this process alone; None is the machine's memory. `root`: where the kernel's files are."""
        return cls(tuple(_groups(root)), own=root / "proc/self/statm", own_limit=limit or _machine(root))

    def fullness(self) -> float:
        """From 0 to 1, of the limit that is nearest; 0 where the kernel tells nothing."""
        return max([self._of_process(), *(_told(group) for group in self._groups)])

    def _of_process(self) -> float:
        try:
            pages = int(self._own.read_bytes().split()[1])
        except (OSError, ValueError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / self._own_limit


def _told(group: Group) -> float:
    try:
        return group.fullness()
    except (OSError, ValueError):
        return 0.0


def _groups(root: Path) -> Iterator[Group]:
    """The groups this process is in that have a limit, its own and those around it, of both versions."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")
        else:
            continue
        # In a container the group's own directory is often mounted as the top, so that the path leads nowhere.
        own = top / path.lstrip("/")
        for directory in (own, *own.parents):
            if (limit := _limit(directory / names[0])) is not None:
                cached = frozenset({f"{names[2]}active_file", f"{names[2]}inactive_file"})
                yield Group(limit, directory / names[1], directory / "memory.stat", cached)
            if directory == top:
                break


def _limit(path: Path) -> int | None:
    try:
        limit = int(path.read_bytes())
    except (OSError, ValueError):  # there is none: the file says `max`, or is not there
        return None
    return limit if 0 < limit < UNLIMITED else None


def _machine(root: Path) -> int:
    """The machine's memory, in bytes."""
    try:
        return _sum(root / "proc/meminfo", frozenset({"MemTotal:"})) * 1024 or UNLIMITED
    except (OSError, ValueError):
        return UNLIMITED


def _sum(path: Path, names: frozenset[str]) -> int:
    """The sum of those lines of a file of names and numbers."""
    lines = (line.split() for line in path.read_text().splitlines())
    return sum(int(words[1]) for words in lines if words[0] in names)
