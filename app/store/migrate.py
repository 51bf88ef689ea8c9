"""Schema versions: brings a database up (or down) to a revision of `migrations/`, one process at a time."""

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import Final, Literal, TypeVar

from sqlalchemy import URL, Connection, inspect, make_url

from app.store.database import guarded
from app.store.postgresql import create_postgresql_engine
from app.store.sqlite_engine import create_sqlite_engine

T = TypeVar("T")

ADVISORY_LOCK: Final = 0x6F6E6573  # "ones"
LOCK_TIMEOUT: Final = "5s"
TURN_S: Final = 60
"""How long a process waits for another one's migration of the same file, where the URL does not say."""


async def upgrade(url: str, revision: str = "head") -> None:
    """Brings the schema to `revision`, if it is not there. Replicas that start together wait for each other.

    Raises:
        Overloaded (storage_unavailable): the database does not answer, or a table was locked for 5 s.
        alembic.util.CommandError: the database has a revision that this version does not know.
    """
    await _run(make_url(url), lambda tx: _migrate(tx, "upgrade", revision))


async def downgrade(url: str, revision: str) -> None:
    """Takes the schema back to `revision`; "base" is an empty database. Raises: as `upgrade`."""
    await _run(make_url(url), lambda tx: _migrate(tx, "downgrade", revision))


async def current(url: str) -> str | None:
    """The revision a database is at; None when it is empty."""
    return await _run(make_url(url), revision_of)


def head() -> str:
    """The newest revision this version knows. Their files are named by their numbers, so that none has to be loaded."""
    return max(file.name for file in files("migrations.versions").iterdir() if file.name[0].isdigit()).partition("_")[0]


def revision_of(tx: Connection) -> str | None:
    """The same, within a transaction."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one_or_none()


def _migrate(tx: Connection, way: Literal["upgrade", "downgrade"], revision: str) -> None:
    # Most starts find the newest schema: without Alembic and its templates they are quicker and 7 MB smaller.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    config.attributes["connection"] = tx
    (command.upgrade if way == "upgrade" else command.downgrade)(config, revision)


async def _run(url: URL, work: Callable[[Connection], T]) -> T:
    if url.get_backend_name() == "sqlite":
        return await guarded(asyncio.to_thread(_on_sqlite, url, work))
    return await guarded(_on_postgresql(url, work))


def _on_sqlite(url: URL, work: Callable[[Connection], T]) -> T:
    """Foreign keys are off meanwhile, since rebuilding a table would delete its children's rows, and checked after."""
    patient = url.set(query={"timeout": str(TURN_S), **url.query})
    engine = create_sqlite_engine(patient, begin="BEGIN IMMEDIATE", pool_size=1, pragmas=("foreign_keys = OFF",))
    try:
        with engine.begin() as tx:
            done = work(tx)
            assert not tx.exec_driver_sql("PRAGMA foreign_key_check").all(), "a migration broke a foreign key"
            return done
    finally:
        engine.dispose()


async def _on_postgresql(url: URL, work: Callable[[Connection], T]) -> T:
    engine = create_postgresql_engine(url, pool_size=1, limits={})
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})")
            await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            return await connection.run_sync(work)
    finally:
        await engine.dispose()
