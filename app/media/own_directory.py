"""A directory for one process while it lives. Several processes work below one parent; none sweeps a living one's away.

Who lives is told by a lock on a file, which the system lets go of when the process ends, however it ends.
"""

import fcntl
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

_LOCK: Final = ".lock"


class OwnDirectory:
    """A directory below a shared parent, this process's own until `close`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    def close(self) -> None:
        """Gives it up and deletes it."""
        _remove(self.path, self._lock)

    @classmethod
    def claim(cls, parent: Path) -> "OwnDirectory":
        """A new directory below `parent`, which is made if need be. Raises: OSError."""
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            path = parent / secrets.token_hex(16)
            lock = _locked(path)
            if lock is not None:
                path.mkdir()
                return cls(path, lock)


def sweep(parent: Path) -> int:
    """Deletes whatever below `parent` belongs to no living process, if there is a `parent`.

    Returns how many files that were. Raises: OSError.
    """
    swept = 0
    for path in {found.with_suffix("") for found in _listed(parent)}:
        lock = _locked(path)
        if lock is not None:
            swept += _count(path)
            _remove(path, lock)
    return swept


def _locked(path: Path) -> int | None:
    """The lock of a directory as a descriptor; None when somebody else has it, or has just deleted it."""
    lock = os.open(path.with_suffix(_LOCK), os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    if os.fstat(lock).st_nlink == 0:
        os.close(lock)
        return None
    return lock


def _remove(path: Path, lock: int) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    path.with_suffix(_LOCK).unlink(missing_ok=True)
    os.close(lock)


def _listed(parent: Path) -> list[Path]:
    return list(parent.iterdir()) if parent.is_dir() else []


def _count(path: Path) -> int:
    return sum(found.is_file() for found in path.rglob("*")) if path.is_dir() else int(path.exists())
