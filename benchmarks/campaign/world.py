"""A gateway in a process of its own that can be killed, with simulated vendors that write down what they accept."""

import asyncio
import multiprocessing
import os
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import httpx
import orjson

from app.cli.main import app
from app.cli.sandboxed import sandboxed_catalog
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from benchmarks.campaign import network

ADMIN_KEY: Final = "adm-9wT4xK2vQ7mR5pLs"
SECRET_KEY: Final = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
LEASE_S: Final = 3
LONG_LEASES: Final = {"ONESHAPE_TASK_LEASE_S": "60", "ONESHAPE_TASK_HEARTBEAT_S": "10"}
"""As operators have them. Where nobody is killed, a lease of seconds only tells how busy the machine is."""
START_S: Final = 60.0
PRICE_UNITS: Final = 39_000


@dataclass(slots=True)
class World:
    """What one campaign happens in. `environment` is what every gateway process gets beside the usual."""

    directory: Path
    sandbox_url: str
    environment: dict[str, str]
    key: str = ""
    account_id: str = ""
    processes: list["Gateway"] = field(default_factory=list)

    @property
    def database_url(self) -> str:
        """Where the gateway keeps its books."""
        usual = f"sqlite+aiosqlite:///{self.directory}/data/oneshape.db"
        return self.environment.get("ONESHAPE_DATABASE_URL", usual)

    def calls(self) -> Counter[str]:
        """How many calls the vendors accepted, by prompt: the witness."""
        log = self.directory / "calls.jsonl"
        lines = log.read_bytes().splitlines() if log.exists() else []
        calls = [orjson.loads(line) for line in lines]
        return Counter(call["order"].get("prompt", "") for call in calls if call["paid"])

    async def start(self, *command: str, faults: str = "") -> "Gateway":
        """A gateway process that answers. `faults` says where it is to be killed."""
        gateway = _spawn(self, command or ("serve",), faults)
        self.processes.append(gateway)
        await gateway.ready()
        if not self.key:
            await self._open_account(gateway)
        return gateway

    async def new_key(self, gateway: "Gateway", *, units: int, **said: Any) -> tuple[str, str]:
        """A prepaid account with so much on it, and a key of it."""
        async with gateway.client(ADMIN_KEY) as client:
            account = (await client.post("/admin/accounts", json={"name": "campaign", "billing": "prepaid"})).json()
            if units:
                grant = {"units": units, "reason": "campaign"}
                await client.post(f"/admin/accounts/{account['id']}/grants", json=grant)
            form = {"account_id": account["id"], "name": "campaign", **said}
            key = (await client.post("/admin/keys", json=form)).json()
        return account["id"], key["key"]

    async def _open_account(self, gateway: "Gateway") -> None:
        self.account_id, self.key = await self.new_key(gateway, units=10**12)


@dataclass(slots=True)
class Gateway:
    """One process. `url` is None for a worker, which listens to nobody."""

    process: BaseProcess
    url: str
    key_of: World

    def client(self, key: str | None = None, *, timeout_s: float = 30.0) -> httpx.AsyncClient:
        """A client of this process, with the campaign's key or another."""
        headers = {"authorization": f"Bearer {key or self.key_of.key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=timeout_s, verify=False)

    async def ready(self) -> None:
        """Waits until it answers. Raises: RuntimeError: it ended instead."""
        if not self.url:
            return
        async with asyncio.timeout(START_S), httpx.AsyncClient(verify=False) as client:
            while True:
                if self.process.exitcode is not None:
                    raise RuntimeError(f"the gateway ended with {self.process.exitcode}")
                with suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/healthz")).status_code == 200:
                        return
                await asyncio.sleep(0.05)

    async def died(self, within_s: float) -> bool:
        """Whether it was killed at its fault within this time."""
        await asyncio.to_thread(self.process.join, within_s)
        return self.process.exitcode == -signal.SIGKILL

    async def kill(self) -> None:
        """As `kill -9` does."""
        self.process.kill()
        await asyncio.to_thread(self.process.join)


@asynccontextmanager
async def world(
    directory: Path,
    environment: Mapping[str, str] = MappingProxyType({}),
    *,
    task_seconds: float = 0.3,
    latency_s: float = 0.0,
    chunk_s: float = 0.0,
) -> AsyncIterator[World]:
    """Opens the simulated vendors and an empty place for a gateway; ends every process that was started there."""
    config = SandboxConfig(
        task_seconds=task_seconds, latency_s=latency_s, chunk_s=chunk_s, log_path=directory / "calls.jsonl"
    )
    async with serve_sandbox(config) as sandbox_url:
        catalog = sandboxed_catalog(sandbox_url)
        (directory / "catalog.yaml").write_text(catalog)
        opened = World(directory, sandbox_url, dict(environment))
        try:
            yield opened
        finally:
            for process in opened.processes:
                await process.kill()


def _spawn(home: World, command: tuple[str, ...], faults: str) -> Gateway:
    port = _free_port()
    settings = {
        "DATA_DIR": f"{home.directory}/data",
        "CATALOG": f"{home.directory}/catalog.yaml",
        "ADMIN_KEY": ADMIN_KEY,
        "SECRET_KEY": SECRET_KEY,
        "ALLOW_PRIVATE_NETWORKS": "127.0.0.0/8",
        "MIN_FREE_DISK_MB": "0",
        "TASK_LEASE_S": str(LEASE_S),
        "TASK_HEARTBEAT_S": "1",
        "TASK_SWEEP_S": "1",
        "WEBHOOK_TIMEOUT_S": "1",
        "KEY_CONCURRENCY": "100000",
        "MAX_RUNNING": "5000",
        "MAX_WAITING": "5000",
        "MAX_WAIT_S": "60",
        "LOG_LEVEL": "error",
        "PORT": str(port),
        "FAULTS": faults,
    }
    environment = {f"ONESHAPE_{name}": value for name, value in settings.items()} | home.environment
    # Forked from a process that has imported the program already: a start takes a fraction of a second.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.cli.main"])
    process = context.Process(target=_run, args=(command, environment, home.directory), daemon=True)
    process.start()
    host = environment.get("ONESHAPE_HOST", "127.0.0.1")
    return Gateway(process, f"http://{host}:{port}" if command[0] == "serve" else "", home)


def _run(command: tuple[str, ...], environment: dict[str, str], directory: Path) -> None:
    """The child: the command line as an operator runs it, its output in a file."""
    os.environ.update(environment)
    if name := environment.get(network.VARIABLE):
        network.enter(name)
    os.chdir(directory)
    with (directory / "gateway.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    app(list(command))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
