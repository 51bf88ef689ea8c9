"""A network namespace for one process, with a cable to the database and another one to everybody else."""

import asyncio
import ctypes
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "CAMPAIGN_NETWORK"
"""Names the namespace that a process is to enter before anything else."""
_CLONE_NEWNET: Final = 0x40000000
_NAME: Final = f"oneshape{os.getpid() % 10000}"
DATABASE_SIDE: Final = "10.213.71.1"
CLIENT_SIDE: Final = "10.213.72.1"
INSIDE: Final = "10.213.72.2"
NETWORKS: Final = "10.213.0.0/16"


def enter(name: str) -> None:
    """Moves this process, which must have one thread, into the namespace. Raises: OSError."""
    with open(f"/run/netns/{name}", encoding="ascii") as namespace:  # noqa: PTH123 -- a descriptor is what is wanted
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"the namespace {name} cannot be entered")


@dataclass(frozen=True, slots=True)
class Network:
    """The namespace `name`. A cable that is pulled swallows everything and tells nobody."""

    name: str

    async def cut_database(self) -> None:
        """Pulls the cable to the database."""
        await _ip("link", "set", f"{_NAME}d", "down")

    async def heal_database(self) -> None:
        """Plugs it in again."""
        await _ip("link", "set", f"{_NAME}d", "up")


@asynccontextmanager
async def network() -> AsyncIterator[Network | None]:
    """A namespace until the block is left; None where this process may not make one."""
    if not await _ip("netns", "add", _NAME):
        yield None
        return
    try:
        for letter, side in (("d", DATABASE_SIDE), ("c", CLIENT_SIDE)):
            inside = side.rpartition(".")[0] + ".2"
            await _ip("link", "add", f"{_NAME}{letter}", "type", "veth", "peer", "name", f"i{letter}", "netns", _NAME)
            await _ip("addr", "add", f"{side}/30", "dev", f"{_NAME}{letter}")
            await _ip("link", "set", f"{_NAME}{letter}", "up")
            await _ip("-n", _NAME, "addr", "add", f"{inside}/30", "dev", f"i{letter}")
            await _ip("-n", _NAME, "link", "set", f"i{letter}", "up")
        await _ip("-n", _NAME, "link", "set", "lo", "up")
        yield Network(_NAME)
    finally:
        await _ip("netns", "del", _NAME)  # and with it both cables


async def _ip(*arguments: str) -> bool:
    """Whether `ip` did it."""
    try:
        process = await asyncio.create_subprocess_exec("ip", *arguments, stderr=asyncio.subprocess.DEVNULL)
    except FileNotFoundError:
        return False
    return await process.wait() == 0
