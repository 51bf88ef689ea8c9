"""Gateways as processes of their own, as operators start them, for tests that kill, stop and replace them."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from app.core.clock import Clock
from tests.support.gateway import ADMIN_KEY, SECRET_KEY

ROOT: Final = Path(__file__).resolve().parents[2]


def gateway_environment(directory: Path, database_url: str, **said: str) -> dict[str, str]:
    """The variables of a gateway on that database; `said` are settings by their names without the prefix."""
    settings = {
        "data_dir": str(directory),
        "database_url": database_url,
        "admin_key": ADMIN_KEY,
        "secret_key": SECRET_KEY,
        "allow_private_networks": "127.0.0.0/8",
        "min_free_disk_mb": "0",
        "database_pool": "5",
        "grace_s": "20",
        "grace_hard_s": "30",
        **said,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ONESHAPE_")}
    return kept | {"PYTHONPATH": str(ROOT)} | {f"ONESHAPE_{name.upper()}": value for name, value in settings.items()}


@contextmanager
def started(environment: Mapping[str, str], *arguments: str, directory: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """`oneshape` with those arguments; killed at the end if it is still there. Its output is in `directory/log`."""
    with (directory / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", *arguments],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def wait_until_ready(url: str, process: "subprocess.Popen[bytes]", *, seconds: float = 100) -> None:
    """Returns once it serves. Raises: AssertionError: it ended, or took too long."""
    clock = Clock()
    until = clock.monotonic() + seconds
    async with httpx.AsyncClient(trust_env=False) as client:
        while clock.monotonic() < until:
            assert process.poll() is None, f"the gateway ended with {process.returncode}"
            try:
                if (await client.get(f"{url}/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await clock.sleep(0.05)
    raise AssertionError("the gateway is not ready")


async def waited(process: "subprocess.Popen[bytes]", *, seconds: float = 60) -> int:
    """Its exit code, without blocking the loop. Raises: subprocess.TimeoutExpired."""
    return await asyncio.to_thread(process.wait, seconds)
