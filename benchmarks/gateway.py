"""The gateway as an operator runs it, `oneshape serve` on SQLite as a process of its own, and what operators ask it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from benchmarks.processes import GATEWAY_CORE, free_port, python, rss_mb, running

ADMIN_KEY: Final = "adm-benchmark-9f2c7e41d8a6"
SERVE: Final = python("-m", "app.cli", "serve")


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway; its database and pictures are in `data`."""

    port: int
    pid: int
    data: Path

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def admin(self) -> httpx.Client:
        """An operator's client."""
        headers = {"authorization": f"Bearer {ADMIN_KEY}"}
        return httpx.Client(base_url=self.url, headers=headers, verify=False, timeout=300)

    def rss_mb(self) -> float:
        """Its memory now."""
        return rss_mb(self.pid)

    def new_key(self, **said: Any) -> str:
        """The secret of a key of a new prepaid account that can pay for everything."""
        with self.admin() as admin:
            account = admin.post("/admin/accounts", json={"name": "bench", "billing": "prepaid"}).json()["id"]
            grant = {"units": 10**12, "reason": "bench"}
            admin.post(f"/admin/accounts/{account}/grants", json=grant).raise_for_status()
            form = {"account_id": account, "name": "bench", "concurrency": 100_000, **said}
            secret: str = admin.post("/admin/keys", json=form).raise_for_status().json()["key"]
            return secret

    def verified(self) -> dict[str, Any]:
        """What the ledger's own proof says; the first violations are printed."""
        with self.admin() as admin:
            said: dict[str, Any] = admin.get("/admin/ledger/verify").json()
        for violation in said["violations"][:5]:
            print(f"  {violation}")
        return said

    def requests(self) -> int:
        """How many requests are on record."""
        with self.admin() as admin:
            usage = admin.get("/admin/usage").json()
        return sum(row["requests"] for row in usage.get("items", [usage]) if "requests" in row)


def environment(directory: Path, catalog: str, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """What `SERVE` is told; `settings` by their names without the prefix."""
    path = directory / "catalog.yaml"
    path.write_text(catalog)
    told = {
        "DATA_DIR": str(directory / "data"),
        "CATALOG": str(path),
        "ADMIN_KEY": ADMIN_KEY,
        "SECRET_KEY": "benchmark-4e0c85b1f7d24a39",
        "PORT": str(port),
        **settings,
    }
    return {f"ONESHAPE_{name}": value for name, value in told.items()}


@contextmanager
def gateway(directory: Path, catalog: str, **settings: str) -> Iterator[Gateway]:
    """Starts it on what is in the directory, or an empty one."""
    port = free_port()
    env, log = environment(directory, catalog, port, settings), directory / "gateway.log"
    with running(SERVE, core=GATEWAY_CORE, port=port, path="/healthz", env=env, log=log, within_s=120) as pid:
        yield Gateway(port, pid, directory / "data")
