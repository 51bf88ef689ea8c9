"""Two gateway processes on one PostgreSQL database, and one sandbox behind both, for tests that are their clients."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx

from app.cli.sandboxed import sandboxed_catalog
from app.core.clock import Clock
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from tests.support.gateway import ADMIN_KEY
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready

ADMIN = {"authorization": f"Bearer {ADMIN_KEY}"}
MODEL = "nano-banana-pro-1k@ccapi"
"""A model of the sandboxed catalog, at a vendor that answers at once."""
WITHIN_S = 5.0
"""How soon every replica knows of a change, as the contract promises."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One gateway process."""

    url: str
    process: "Popen[bytes]"


@dataclass(frozen=True, slots=True)
class Fleet:
    """The replicas, a client without credentials, and what an operator does."""

    replicas: tuple[Replica, ...]
    sandbox_url: str
    client: httpx.AsyncClient
    clock: Clock

    async def admin(self, method: str, path: str, *, at: int = 0, **options: Any) -> Any:
        """An operator's request at one replica; its answer's document."""
        headers = {**ADMIN, **options.pop("headers", {})}
        answer = await self.client.request(method, f"{self.replicas[at].url}/admin{path}", headers=headers, **options)
        assert answer.status_code < 300, answer.text
        return answer.json()

    async def new_key(self, *, units: int = 100_000_000, **said: Any) -> dict[str, Any]:
        """A key of a new prepaid account, its secret under `key`."""
        account = await self.admin("POST", "/accounts", json={"name": "test", "billing": "prepaid"})
        await self.admin("POST", f"/accounts/{account['id']}/grants", json={"units": units, "reason": "test"})
        made: dict[str, Any] = await self.admin(
            "POST", "/keys", json={"account_id": account["id"], "name": "test", **said}
        )
        return made

    async def send(self, method: str, path: str, *, at: int, key: str, **options: Any) -> httpx.Response:
        """A client's request at one replica."""
        headers = {"authorization": f"Bearer {key}", **options.pop("headers", {})}
        return await self.client.request(method, self.replicas[at].url + path, headers=headers, **options)

    async def put_catalog(self, document: str, *, at: int = 0) -> None:
        """Puts a catalog in force."""
        await self.admin("PUT", "/catalog", at=at, content=document, headers={"content-type": "application/yaml"})

    async def all_list(self, model: str) -> bool:
        """Whether every replica has this model in force."""
        pages = [await self.admin("GET", "/models", at=at) for at in range(len(self.replicas))]
        return all(model in {listed["id"] for listed in page["items"]} for page in pages)

    async def drawn(self, prompt: str) -> list[dict[str, Any]]:
        """What the vendors say they were asked to draw for a prompt, or for prompts that begin so."""
        calls: list[dict[str, Any]] = (await self.client.get(f"{self.sandbox_url}/_calls")).json()["calls"]
        return [call for call in calls if str(call["order"].get("prompt", "")).startswith(prompt)]

    async def seen(self, check: Any, *, within_s: float) -> bool:
        """Whether `check` comes true in time."""
        until = self.clock.monotonic() + within_s
        while not await check():
            if self.clock.monotonic() > until:
                return False
            await self.clock.sleep(0.1)
        return True


@asynccontextmanager
async def running_fleet(
    directory: Path, database_url: str, *, task_seconds: float = 0.05, count: int = 2, **settings: str
) -> AsyncIterator[Fleet]:
    """Starts them all at once, on a database that may be empty, and puts the sandboxed catalog in force."""
    async with (
        serve_sandbox(SandboxConfig(task_seconds=task_seconds)) as sandbox_url,
        httpx.AsyncClient(trust_env=False, timeout=60) as client,
    ):
        with ExitStack() as stack:
            replicas = []
            for number in range(count):
                own = directory / f"replica-{number}"
                own.mkdir(parents=True)
                port = free_port()
                environment = gateway_environment(own, database_url, media_url=f"file://{directory}/media", **settings)
                process = stack.enter_context(started(environment, "serve", "--port", str(port), directory=own))
                replicas.append(Replica(f"http://127.0.0.1:{port}", process))
            await asyncio.gather(*(wait_until_ready(replica.url, replica.process) for replica in replicas))
            fleet = Fleet(tuple(replicas), sandbox_url, client, Clock())
            await fleet.put_catalog(sandboxed_catalog(sandbox_url))
            assert await fleet.seen(lambda: fleet.all_list(MODEL), within_s=WITHIN_S)
            yield fleet
