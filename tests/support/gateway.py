"""A whole gateway and its simulated vendors on real sockets, for tests that are clients."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.cli.sandboxed import sandboxed_source
from app.cli.serving import serving
from app.core.clock import Clock
from app.gateway.account_forms import AccountForm, GrantForm, KeyForm
from app.gateway.catalog.live import Source
from app.gateway.services import Services
from app.gateway.tracing import Traces
from app.main import create_app
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.settings import Secrets, Settings
from app.wiring import open_services

ADMIN_KEY = "adm-5uP9qX2vL8mK4wT7"
SECRET_KEY = "5c0f6e1d9b7a48e2a3f4c5d6e7f8091a"
LOOPBACK = "127.0.0.0/8"


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that listens at `url`, a key of a prepaid account there, and the sandbox behind it."""

    url: str
    sandbox_url: str
    services: Services
    directory: Path
    account_id: str
    key: str

    async def new_key(self, *, grant_units: int = 100_000_000, **said: Any) -> str:
        """The secret of a key of a new prepaid account; `said` are fields of the key."""
        return (await make_key(self.services, grant_units, **said))[1]

    def client(self, **options: Any) -> httpx.AsyncClient:
        """An HTTP client that authenticates with the key."""
        headers = {"authorization": f"Bearer {self.key}", **options.pop("headers", {})}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=30, verify=False, **options)

    async def paid_calls(self) -> list[dict[str, Any]]:
        """What the vendors say they did."""
        async with httpx.AsyncClient(verify=False) as client:
            calls: list[dict[str, Any]] = (await client.get(f"{self.sandbox_url}/_calls")).json()["calls"]
            return calls


@asynccontextmanager
async def running_gateway(
    directory: Path,
    *,
    source: Source | None = None,
    in_database: bool = False,
    grant_units: int = 100_000_000,
    task_seconds: float = 0.05,
    clock: Clock | None = None,
    env: Mapping[str, str] | None = None,
    traces: Traces | None = None,
    **settings: Any,
) -> AsyncIterator[Running]:
    """Starts both; `source` replaces the sandboxed starter catalog, the others are the gateway's."""
    clock = clock or Clock()
    async with serve_sandbox(SandboxConfig(task_seconds=task_seconds)) as sandbox_url:
        values: dict[str, Any] = {"data_dir": directory, "allow_private_networks": LOOPBACK, "min_free_disk_mb": 0}
        chosen = Settings(_env_file=None, **{**values, **settings})
        secrets = Secrets(ADMIN_KEY, SECRET_KEY)
        chosen_source = None if in_database else source or sandboxed_source(sandbox_url)
        async with open_services(
            chosen,
            secrets,
            env=env or {},
            clock=clock,
            source=chosen_source,
            traces=traces,
        ) as services:
            account_id, key = await make_key(services, grant_units)
            async with serving(create_app(services)) as url:
                yield Running(url, sandbox_url, services, directory, account_id, key)


async def make_key(services: Services, grant_units: int, **said: Any) -> tuple[str, str]:
    """A prepaid account with so much on it, and a key's secret."""
    account = await services.accounts.create(AccountForm(name="test", billing="prepaid"))
    if grant_units:
        await services.accounts.grant(account.id, GrantForm(units=grant_units, reason="test"))
    key = await services.accounts.create_key(KeyForm(account_id=account.id, name="test", **said))
    return account.id, key.secret
