"""A load of mixed requests while the catalog is changed again and again: applied, restored, or edited as a file.

Models come and go, prices, weights and keys of clients' names change; what is asked for all the while is never dropped,
and what was ordered under a revision is done although the next one has no such model.
"""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from app.cli.sandboxed import sandboxed_catalog
from app.core.clock import Clock
from app.gateway.catalog.live import FileSource
from app.gateway.catalog.yaml import read, write
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from tests.support.gateway import ADMIN_KEY, Running, running_gateway

CHANGES: Final = 20
LOADERS: Final = 6
STAYS: Final = "nano-banana-pro-1k@ccapi"
COMES_AND_GOES: Final = "a-model-of-the-season"
IN_FORCE_S: Final = 5.0
ADMIN: Final = {"authorization": f"Bearer {ADMIN_KEY}"}
YAML: Final = {"content-type": "application/yaml"}


@dataclass(slots=True)
class Figures:
    """What came of it. `slowest_s`: how long the slowest change took until requests met it."""

    changes: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    tasks_over_a_change: int = 0
    slowest_s: float = 0.0

    def __str__(self) -> str:
        sent = sum(self.answers.values())
        return (
            f"{self.changes} changes, {sent} requests, {self.tasks_over_a_change} tasks of a model that went "
            f"meanwhile, {len(self.failures)} failures, slowest change {self.slowest_s:.1f} s"
        )


class Catalogs:
    """The sandboxed catalog in two forms: with a model of the season and without; every one has another price."""

    def __init__(self, sandbox_url: str) -> None:
        self._plain: Any = read(sandboxed_catalog(sandbox_url), format="yaml")[0]
        self._number = 0

    def next(self, *, season: bool) -> str:
        """Another document. Prices of what stays are left, so that what it costs can be checked."""
        self._number += 1
        models: list[Any] = [dict(model) for model in self._plain["models"]]
        stays = next(model for model in models if model["id"] == STAYS)
        for model in models:
            if model is not stays and "per_image" in model["price"]:
                model["price"] = {"per_image": f"0.{100 + self._number}"}
            model["targets"] = [{**target, "weight": 1 + self._number % 3} for target in model["targets"]]
        if season:
            models.append({**stays, "id": COMES_AND_GOES, "price": {"per_image": "0.05"}})
        return write({**self._plain, "models": models})


class Load:
    """Clients of every kind that ask one thing after another, until they are told to stop."""

    def __init__(self, gateway: Running, figures: Figures) -> None:
        self._gateway = gateway
        self._figures = figures
        self.stopped = False

    async def run(self, number: int) -> None:
        """One client."""
        kinds = (self._picture, self._chat, self._text, self._task)
        async with self._gateway.client() as client:
            while not self.stopped:
                for kind in kinds[number % 4 :] + kinds[: number % 4]:
                    await self._ask(client, kind)

    async def _ask(self, client: httpx.AsyncClient, kind: Any) -> None:
        try:
            problem = await kind(client)
        except httpx.HTTPError as error:
            problem = repr(error)
        name = kind.__name__.removeprefix("_")
        self._figures.answers[name] += 1
        if problem:
            self._figures.failures.append(f"{name}: {problem}")

    async def _picture(self, client: httpx.AsyncClient) -> str | None:
        answer = await client.post("/v1/images/generations", json={"model": STAYS, "prompt": "a cube"})
        return None if answer.status_code == 200 and answer.json()["oneshape"]["units"] == 134_000 else answer.text

    async def _chat(self, client: httpx.AsyncClient) -> str | None:
        said = {"model": "nano-banana", "messages": [{"role": "user", "content": "a cube"}], "stream": True}
        answer = await client.post("/v1/chat/completions", json=said)
        return None if answer.status_code == 200 and answer.text.endswith("data: [DONE]\n\n") else answer.text

    async def _text(self, client: httpx.AsyncClient) -> str | None:
        said = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hello"}]}
        answer = await client.post("/v1/chat/completions", json=said)
        return None if answer.status_code == 200 else answer.text

    async def _task(self, client: httpx.AsyncClient) -> str | None:
        made = await client.post("/v1/images/tasks", json={"model": STAYS, "prompt": "a cube"})
        return await ended(client, made)


async def ended(client: httpx.AsyncClient, made: httpx.Response) -> str | None:
    """What is wrong with a task that was made, once it has ended; None: nothing."""
    if made.status_code != 202:
        return made.text
    answer = await client.get(f"/v1/images/tasks/{made.json()['data']['task_id']}?wait=60")
    return None if answer.json()["data"]["status"] == "succeeded" else answer.text


class Changer:
    """Changes the catalog of a gateway, by its API or its file, and waits until it is in force."""

    def __init__(self, gateway: Running, catalogs: Catalogs, figures: Figures, file: Path | None) -> None:
        self._gateway = gateway
        self._catalogs = catalogs
        self._figures = figures
        self._file = file
        self._clock = Clock()

    async def put(self, *, season: bool) -> None:
        """Another catalog."""
        document = self._catalogs.next(season=season)
        began = self._clock.monotonic()
        if self._file is not None:
            await asyncio.to_thread(_replace, self._file, document)
        else:
            await self._admin("PUT", "/admin/catalog", content=document, headers=YAML)
        while (COMES_AND_GOES in self._gateway.services.catalog().models) != season:
            await self._clock.sleep(0.01)
        self._figures.slowest_s = max(self._figures.slowest_s, self._clock.monotonic() - began)
        self._figures.changes += 1

    async def restore(self) -> None:
        """The revision before the last one again, where the database keeps them."""
        if self._file is None:
            newest = (await self._admin("GET", "/admin/catalog/revisions?limit=3"))["items"]
            await self._admin("POST", f"/admin/catalog/revisions/{newest[1]['revision']}/restore")
            self._figures.changes += 1

    async def _admin(self, method: str, path: str, **said: Any) -> Any:
        headers = {**ADMIN, **said.pop("headers", {})}
        async with httpx.AsyncClient(base_url=self._gateway.url, timeout=60, trust_env=False) as client:
            answer = await client.request(method, path, headers=headers, **said)
        assert answer.status_code == 200, answer.text
        return answer.json()


def _replace(file: Path, document: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(document)
    new.replace(file)


async def changes_under_load(
    directory: Path, *, by_file: bool, changes: int = CHANGES, loaders: int = LOADERS
) -> Figures:
    """So many changes while `loaders` clients ask; between two of them a task is ordered of a model that then goes."""
    figures = Figures()
    async with _gateway(directory, by_file=by_file) as (gateway, catalogs, file):
        changer = Changer(gateway, catalogs, figures, file)
        await changer.put(season=False)
        load = Load(gateway, figures)
        clients = [asyncio.create_task(load.run(number)) for number in range(loaders)]
        try:
            while figures.changes < changes:
                await changer.put(season=True)
                async with gateway.client() as client:
                    body = {"model": COMES_AND_GOES, "prompt": "a cube"}
                    made = [await client.post("/v1/images/tasks", json=body) for _ in range(3)]
                    await changer.put(season=False)
                    problems = [problem for one in made if (problem := await ended(client, one))]
                figures.tasks_over_a_change += len(made)
                figures.failures += [f"task of a model that went: {problem}" for problem in problems]
                await changer.restore()
        finally:
            load.stopped = True
            await asyncio.gather(*clients)
    return figures


@asynccontextmanager
async def _gateway(directory: Path, *, by_file: bool) -> AsyncIterator[tuple[Running, Catalogs, Path | None]]:
    async with serve_sandbox(SandboxConfig(task_seconds=0.3)) as sandbox_url:
        catalogs = Catalogs(sandbox_url)
        file = directory / "catalog.yaml"
        first = catalogs.next(season=False)
        await asyncio.to_thread(file.write_text, first)
        data = directory / "data"
        if by_file:
            async with running_gateway(
                data, source=FileSource(file), grant_units=10**12, key_concurrency=64
            ) as gateway:
                yield gateway, catalogs, file
        else:
            async with running_gateway(data, in_database=True, grant_units=10**12, key_concurrency=64) as gateway:
                yield gateway, catalogs, None


async def run(changes: int = CHANGES) -> tuple[str, list[str]]:
    """Both ways, printed; what was dropped."""
    wrong: list[str] = []
    told = []
    for name, by_file in (("by the API", False), ("by a file", True)):
        with tempfile.TemporaryDirectory() as directory:
            figures = await changes_under_load(Path(directory), by_file=by_file, changes=changes)
        told.append(f"{name}: {figures}")
        wrong += figures.failures
        if figures.slowest_s > IN_FORCE_S:
            wrong.append(f"{name}: a change took {figures.slowest_s:.1f} s")
    return "; ".join(told), wrong


if __name__ == "__main__":
    print(asyncio.run(run()))
