"""Processes that share a database, without the rest of a gateway: what each knows of vendors, and its places there."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.core.catalog import Catalog, Vendor
from app.core.clock import Clock
from app.gateway.place_leases import PlaceLeases
from app.gateway.shared_health import SharedHealth
from app.store.database import Database
from app.upstream.bulletin import Bulletin
from app.upstream.pool import VendorPool


@dataclass(frozen=True, slots=True)
class Process:
    """What one process knows."""

    pool: VendorPool
    leases: PlaceLeases
    shared: SharedHealth


def catalog_of(*vendors: Vendor) -> Catalog:
    """A catalog of vendors only."""
    return Catalog(revision=1, currency="USD", vendors={one.name: one for one in vendors}, models={}, families={})


@asynccontextmanager
async def process_of(url: str, catalog: Catalog, name: str, clock: Clock) -> AsyncIterator[Process]:
    """A process with a connection of its own; nothing of it runs by itself."""
    database = await Database.open(url)
    asked, bulletin = asyncio.Event(), Bulletin()
    pool = VendorPool(clock, rng=random.Random(1), bulletin=bulletin, short=asked.set)
    leases = PlaceLeases(database, clock=clock, places=pool.places, asked=asked, catalog=lambda: catalog, process=name)
    shared = SharedHealth(database, clock=clock, catalog=lambda: catalog, pool=pool, bulletin=bulletin, process=name)
    try:
        yield Process(pool, leases, shared)
    finally:
        await database.close()
