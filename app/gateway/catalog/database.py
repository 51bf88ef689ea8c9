"""The catalog as the database keeps it: the newest revision, the starter being the first."""

from app.core.clock import Clock
from app.core.errors import Conflict
from app.gateway.catalog.builtin import starter
from app.gateway.catalog.live import Revision
from app.store import catalog
from app.store.database import Database


class DatabaseSource:
    """Answers the newest revision; its text is read only when its number is another one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._revision: Revision | None = None

    async def __call__(self) -> Revision | None:
        """The newest revision, None in a database without one. Raises: Overloaded."""
        number = await self._database.read(catalog.latest_number)
        if self._revision is None or number != self._revision.number:
            latest = await self._database.read(catalog.latest)
            self._revision = None if latest is None else Revision(latest.n, latest.document, latest.format)
        return self._revision

    async def earlier(self, number: int) -> Revision | None:
        """An earlier revision, or None. Raises: Overloaded."""
        found = await self._database.read(lambda tx: catalog.get(tx, number))
        return None if found is None else Revision(found.n, found.document, found.format)


async def start_with_starter(database: Database, *, clock: Clock) -> None:
    """Gives a new database the built-in catalog. Replicas that start together agree on one."""
    first = catalog.Revision(1, starter(), "yaml", "oneshape", "The starter catalog.", clock.now())
    if await database.read(catalog.latest_number) == 0:
        try:
            await database.write(lambda tx: catalog.append(tx, first))
        except Conflict:
            return
