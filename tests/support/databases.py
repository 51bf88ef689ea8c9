"""Real databases for tests: a SQLite file and a PostgreSQL database, each a fresh copy of a migrated template."""

import asyncio
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from app.store import migrate
from app.store.database import Database
from app.store.postgresql import create_postgresql_engine

SERVER = os.environ.get("ONESHAPE_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1:5432")
"""A PostgreSQL server on which the tests may create and drop databases of their own."""


async def postgresql_answers() -> bool:
    """Whether there is a server to test with."""
    try:
        await administer("SELECT 1")
    except (OSError, DBAPIError):
        return False
    return True


def postgresql_url(name: str) -> str:
    """The URL, as `Database.open` takes it, of a database on the test server."""
    return f"{SERVER.replace('postgresql://', 'postgresql+asyncpg://', 1)}/{name}"


async def administer(statement: str, *, database: str = "postgres") -> None:
    """Runs a statement such as CREATE DATABASE on the test server, or VACUUM in a database there."""
    engine = create_postgresql_engine(make_url(postgresql_url(database)), pool_size=1, limits={})
    try:
        async with engine.connect() as opened:
            connection = await opened.execution_options(isolation_level="AUTOCOMMIT")
            await connection.exec_driver_sql(statement)
    finally:
        await engine.dispose()


@contextmanager
def postgresql_database(template: str | None = None) -> Iterator[str]:
    """A database of its own on the test server, empty or a copy; dropped afterwards. Yields its name."""
    name = f"oneshape_test_{uuid.uuid4().hex[:12]}"
    asyncio.run(administer(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
    try:
        yield name
    finally:
        asyncio.run(administer(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that is never opened again, only copied."""
    path = tmp_path_factory.mktemp("store") / "template.db"
    asyncio.run(migrate.upgrade(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgresql_template() -> Iterator[str]:
    """A migrated PostgreSQL database that nobody connects to again; skips where no server answers."""
    if not asyncio.run(postgresql_answers()):
        pytest.skip(f"no PostgreSQL server answers at {SERVER.rpartition('@')[2]}")
    with postgresql_database() as name:
        asyncio.run(migrate.upgrade(postgresql_url(name)))
        yield name


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    copy = tmp_path / "oneshape.db"
    shutil.copyfile(sqlite_template, copy)
    return f"sqlite+aiosqlite:///{copy}"


@pytest.fixture
def postgresql_copy(postgresql_template: str) -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    with postgresql_database(postgresql_template) as name:
        yield postgresql_url(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of the test's own, of each kind in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgresql_copy")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database of each kind in turn; leases go by the caller's clock, so that a test can move it."""
    opened = await Database.open(database_url, own_clock=False)
    yield opened
    await opened.close()
