"""Opens what an operator's command works with, beside a gateway that may be running."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from app.core.clock import Clock
from app.gateway.accounts import Accounts
from app.gateway.backups import Backups
from app.gateway.bills import Bills
from app.gateway.caller import KeyHasher
from app.gateway.catalog.database import DatabaseSource
from app.gateway.catalog.desk import CatalogDesk
from app.settings import Secrets, Settings
from app.store.database import Database
from app.wiring.ground import backups_of, catalog_source, open_database

CLI_ACTOR: Final = "command line"
"""Who the audit says it was, where an operator works beside the gateway."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator's command needs: the database, and the use cases on it."""

    database: Database
    accounts: Accounts
    catalog: CatalogDesk
    backups: Backups
    bills: Bills


@asynccontextmanager
async def open_operator(
    settings: Settings, secrets: Secrets, *, env: Mapping[str, str], clock: Clock
) -> AsyncIterator[Operator]:
    """What `oneshape accounts`, `keys`, `ledger` and `catalog` work with, beside a gateway that may be running."""
    async with open_database(settings) as database:
        accounts = Accounts(database, KeyHasher(secrets.secret_key), clock=clock, actor=CLI_ACTOR)
        source = await catalog_source(settings, database, clock)
        desk = CatalogDesk(
            database,
            source,
            editable=isinstance(source, DatabaseSource),
            env=env,
            secret_key=secrets.secret_key.encode(),
            clock=clock,
            actor=CLI_ACTOR,
        )

        async def vendors() -> frozenset[str]:
            document = (await desk.show()).document
            named = document["vendors"] if isinstance(document, dict) else None
            return frozenset(named) if isinstance(named, dict) else frozenset()

        bills = Bills(database, clock=clock, vendors=vendors, actor=CLI_ACTOR)
        yield Operator(database, accounts, desk, backups_of(settings, database, clock, actor=CLI_ACTOR), bills)
