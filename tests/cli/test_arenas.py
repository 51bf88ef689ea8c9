"""Threads share glibc's arenas: what one of them has taken and given back, another one can have."""

import platform
import subprocess
import sys
from typing import Final

import pytest

HEAP_BYTES: Final = 64 * 2**20
"""Each arena but the first one begins at a multiple of this, which nothing else does by itself."""
COUNT: Final = """
import threading
from pathlib import Path
from app.cli.arenas import share_arenas

if {shared}:
    share_arenas()
ready, done = threading.Barrier(9), threading.Event()

def take():
    held = bytearray(10_000)
    ready.wait()
    done.wait()

threads = [threading.Thread(target=take) for _ in range(8)]
for thread in threads:
    thread.start()
ready.wait()
begins = [int(line.partition("-")[0], 16) for line in Path("/proc/self/maps").read_text().splitlines()]
print(sum(begin % {heap} == 0 for begin in begins))
done.set()
"""


def arenas(*, shared: bool) -> int:
    """How many arenas a process has besides the first one, once eight of its threads have taken memory."""
    program = COUNT.format(shared=shared, heap=HEAP_BYTES)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return int(ended.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another libc has no arenas")
def test_eight_threads_share_one_arena_besides_the_first() -> None:
    assert arenas(shared=False) > 2
    assert arenas(shared=True) == 1
