"""What a model cost when: noted when a catalog comes into force, once by all processes, on both databases."""

import asyncio
from typing import Any

import httpx
import pytest

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.errors import InvalidRequest
from app.gateway.catalog.build import load
from app.gateway.catalog.prices import PriceHistory
from app.store import prices
from app.store.database import Database
from tests.catalog.support import SECRET_KEY, SMALL, changed
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)
from tests.support.gateway import ADMIN_KEY, running_gateway

DEARER = changed('"0.05"', '"0.06"')
COSTING = changed("model: paint-1k}", 'model: paint-1k, cost: {per_image: "0.01"}}')
GONE = SMALL[: SMALL.index("  - id: words")] + SMALL[SMALL.index("families:") :]


class Shown:
    """The catalog in force, which a test replaces."""

    def __init__(self) -> None:
        self.revision = 0
        self.catalog = self.put(SMALL)

    def put(self, text: str) -> Catalog:
        self.revision += 1
        loaded = load(text, format="yaml", env={}, secret_key=SECRET_KEY, revision=self.revision)
        self.catalog = loaded.catalog
        return self.catalog


class Counting(Clock):
    """Each look at it is a second later."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> float:
        self.time += 1
        return self.time


async def noted(database: Database, **said: Any) -> list[tuple[str, int, Any]]:  # noqa: F811
    page = await database.read(lambda tx: prices.list_page(tx, **said))
    return [(one.model, one.revision, dict(one.price) or None) for one in page.items]


async def test_a_price_is_noted_when_it_changes_and_only_then(database: Database) -> None:  # noqa: F811
    shown = Shown()
    history = PriceHistory(database, clock=Counting(), catalog=lambda: shown.catalog)
    for text in (SMALL, DEARER, DEARER + "\n# the same", COSTING):
        shown.put(text)
        await history.note()
        await history.note()
    assert await noted(database, model="picture-1k") == [
        ("picture-1k", 5, {"per_image": 50_000}),
        ("picture-1k", 3, {"per_image": 60_000}),
        ("picture-1k", 2, {"per_image": 50_000}),
    ]
    (newest,) = (await database.read(lambda tx: prices.list_page(tx, model="picture-1k", limit=1))).items
    assert newest.costs == {"painter/paint-1k": {"per_image": 10_000}}
    assert len(await noted(database, model="words")) == 1


async def test_a_model_that_is_taken_away_and_comes_back_is_told(database: Database) -> None:  # noqa: F811
    shown = Shown()
    history = PriceHistory(database, clock=Counting(), catalog=lambda: shown.catalog)
    for text in (SMALL, GONE, GONE + "\n", SMALL):
        shown.put(text)
        await history.note()
    told = await noted(database, model="words")
    assert [price is None for _, _, price in told] == [False, True, False]


async def test_several_processes_note_a_change_once(database: Database) -> None:  # noqa: F811
    shown = Shown()
    clock = Counting()
    processes = [PriceHistory(database, clock=clock, catalog=lambda: shown.catalog) for _ in range(4)]
    await asyncio.gather(*(process.note() for process in processes))
    shown.put(DEARER)
    await asyncio.gather(*(process.note() for process in processes))
    assert len(await noted(database)) == 3


async def test_the_list_goes_on_after_a_cursor(database: Database) -> None:  # noqa: F811
    shown = Shown()
    history = PriceHistory(database, clock=Counting(), catalog=lambda: shown.catalog)
    for text in (SMALL, DEARER):
        shown.put(text)
        await history.note()
    everything, after, seen = await noted(database), None, []
    for _ in everything:
        page = await database.read(lambda tx, after=after: prices.list_page(tx, after=after, limit=1))  # type: ignore[misc]
        seen += [(one.model, one.revision, dict(one.price)) for one in page.items]
        after = page.next_cursor
    assert (seen, after) == (everything, None)
    with pytest.raises(InvalidRequest):
        await database.read(lambda tx: prices.list_page(tx, after="9.nobody"))


async def test_operators_read_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    clock = Clock()
    items: list[dict[str, Any]] = []
    async with (
        running_gateway(tmp_path_factory.mktemp("prices")) as gateway,
        httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as client,
    ):
        while not items:
            items = (await client.get("/admin/prices?model=nano-banana-pro-1k")).json()["items"]
            await clock.sleep(0.02)
        page = (await client.get("/admin/prices?limit=1")).json()
        more = (await client.get(f"/admin/prices?limit=1&after={page['next_cursor']}")).json()
    assert [one["price"] for one in items] == [{"per_image": 134_000}]
    assert page["has_more"]
    assert more["items"] != page["items"]
