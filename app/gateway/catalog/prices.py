"""Remembers what models cost: prices and vendors' costs of each catalog that comes into force, wherever it is kept."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final

import structlog

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.pricing import Price
from app.store import prices
from app.store.database import Database
from app.store.prices import Parts

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
"""How often is looked whether another catalog is in force; the database is asked only then."""


class PriceHistory:
    """Notes what changes. The processes agree on one row for each change."""

    def __init__(self, database: Database, *, clock: Clock, catalog: Callable[[], Catalog]) -> None:
        self._database = database
        self._clock = clock
        self._catalog = catalog
        self._noted: int | None = None

    async def run(self) -> None:
        """Notes the catalog in force, and each that comes after it, until cancelled."""
        told = False
        while True:
            try:
                await self.note()
                told = False
            except GatewayError as error:
                if not told:
                    log.warning("prices.not_noted", error=str(error))
                told = True
            await self._clock.sleep(EVERY_S)

    async def note(self) -> None:
        """Notes the prices in force, if they are another catalog's than last time. Raises: Overloaded."""
        catalog = self._catalog()
        if catalog.revision == self._noted:
            return
        told, at = told_by(catalog), self._clock.now()
        await self._database.write(lambda tx: prices.note(tx, told, revision=catalog.revision, at=at))
        self._noted = catalog.revision


def told_by(catalog: Catalog) -> dict[str, tuple[Parts, Mapping[str, Parts]]]:
    """Each model's price, and its cost at each vendor and model there."""
    return {
        model.id: (
            _parts(model.price),
            {f"{one.vendor.name}/{one.model}": _parts(one.cost) for one in model.targets},
        )
        for model in catalog.models.values()
    }


def _parts(price: Price) -> Parts:
    return {part: units for part, units in asdict(price).items() if units is not None}
