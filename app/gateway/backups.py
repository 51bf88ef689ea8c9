"""Backups of a SQLite database, made while it serves. Pictures are not in them: they are files of their own."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.core.clock import Clock
from app.core.errors import Conflict
from app.core.ids import new_id
from app.store import audit
from app.store.backup import copy_to
from app.store.database import Database


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup."""

    path: Path
    size_bytes: int
    seconds: float


class Backups:
    """Makes backups in `directory`. `actor` names who does it."""

    def __init__(self, database: Database, directory: Path, *, clock: Clock, actor: str = "admin") -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._actor = actor

    async def make(self) -> Backup:
        """A new backup, named by its time; audited.

        Raises: Conflict (conflict): the database is PostgreSQL, which has its own tools. Overloaded
        (storage_unavailable): it could not be written.
        """
        if self._database.dialect != "sqlite":
            raise Conflict(
                "The database is PostgreSQL: back it up with its own tools, such as pg_dump.", code="conflict"
            )
        at, began = self._clock.now(), self._clock.monotonic()
        name = datetime.fromtimestamp(at, UTC).strftime("oneshape-%Y%m%dT%H%M%S%fZ.db")
        path = self._directory / name
        size_bytes = await self._database.read(lambda tx: copy_to(tx, path))
        after = {"file": name, "size_bytes": size_bytes}
        change = audit.Change(new_id("aud"), at, self._actor, "backup.made", "database", after=after)
        await self._database.write(lambda tx: audit.record(tx, change))
        return Backup(path, size_bytes, self._clock.monotonic() - began)
