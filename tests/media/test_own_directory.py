"""Processes that share a data directory leave each other's unfinished work alone, and clear away what the dead left."""

import subprocess
import sys
from pathlib import Path

from app.media.own_directory import OwnDirectory, sweep

KILLED = """
import os, pathlib, signal, sys
from app.media.own_directory import OwnDirectory

own = OwnDirectory.claim(pathlib.Path(sys.argv[1]))
(own.path / "half").write_bytes(b"never finished")
os.kill(os.getpid(), signal.SIGKILL)
"""


def below(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_a_living_processs_directory_survives_anothers_sweep(tmp_path: Path) -> None:
    own = OwnDirectory.claim(tmp_path)
    (own.path / "half").write_bytes(b"in use")
    assert sweep(tmp_path) == 0
    assert (own.path / "half").read_bytes() == b"in use"
    own.close()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(below(tmp_path)) == 3  # the directory, its lock and the file
    assert sweep(tmp_path) == 1
    assert below(tmp_path) == []


def test_files_that_nobody_claimed_are_swept_too(tmp_path: Path) -> None:
    (tmp_path / "stray").write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_bytes(b"x")
    assert sweep(tmp_path) == 2
    assert below(tmp_path) == []


def test_closing_leaves_nothing(tmp_path: Path) -> None:
    own = OwnDirectory.claim(tmp_path / "made")
    (own.path / "file").write_bytes(b"x")
    own.close()
    assert below(tmp_path / "made") == []


def test_two_claims_are_two_directories(tmp_path: Path) -> None:
    one, other = OwnDirectory.claim(tmp_path), OwnDirectory.claim(tmp_path)
    one.close()
    assert other.path.is_dir()
    other.close()


def test_there_is_nothing_to_sweep_where_nothing_is(tmp_path: Path) -> None:
    assert sweep(tmp_path / "missing") == 0
