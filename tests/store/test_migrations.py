"""The schema is what the migrations make: on both databases, up, down, twice at once, and not by halves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from app.store import migrate
from app.store.database import Database
from app.store.tables import metadata
from tests.support.databases import postgresql_answers, postgresql_database, postgresql_url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    if not asyncio.run(postgresql_answers()):
        pytest.skip("no PostgreSQL server answers")
    with postgresql_database() as name:
        yield postgresql_url(name)


def schema(tx: Connection) -> dict[str, Any]:
    """What a database says that it has, without the order in which it was made."""
    found = inspect(tx)

    def facts(table: str) -> dict[str, Any]:
        columns = {column["name"]: (str(column["type"]), column["nullable"]) for column in found.get_columns(table)}
        checks = {check["name"]: "".join(check["sqltext"].split()) for check in found.get_check_constraints(table)}
        indexes = {
            str(index["name"]): (
                index["column_names"],
                bool(index["unique"]),
                {name: str(value) for name, value in index.get("dialect_options", {}).items()},
            )
            for index in found.get_indexes(table)
        }
        foreign = {
            str(key["name"]): (key["constrained_columns"], key["referred_table"])
            for key in found.get_foreign_keys(table)
        }
        unique = {str(key["name"]): key["column_names"] for key in found.get_unique_constraints(table)}
        primary = found.get_pk_constraint(table)
        return {
            "columns": columns,
            "checks": checks,
            "indexes": indexes,
            "foreign": foreign,
            "unique": unique,
            "primary": (primary["name"], primary["constrained_columns"]),
        }

    return {table: facts(table) for table in found.get_table_names() if table != "alembic_version"}


async def read_schema(url: str) -> dict[str, Any]:
    database = await Database.open(url)
    found = await database.read(schema)
    await database.close()
    return found


async def test_the_migrations_make_what_the_code_describes(empty_url: str) -> None:
    database = await Database.open(empty_url)
    await database.write(metadata.create_all)
    described = await database.read(schema)
    await database.write(metadata.drop_all)
    await database.close()
    await migrate.upgrade(empty_url)
    assert await read_schema(empty_url) == described


async def test_alembic_finds_nothing_left_to_migrate(database_url: str) -> None:
    database = await Database.open(database_url)
    options = {"compare_type": True}
    left = await database.write(lambda tx: compare_metadata(MigrationContext.configure(tx, opts=options), metadata))
    await database.close()
    assert left == []


async def test_up_down_and_up_again(empty_url: str) -> None:
    assert await migrate.current(empty_url) is None
    await migrate.upgrade(empty_url)
    assert await migrate.current(empty_url) == migrate.head()
    first = await read_schema(empty_url)
    await migrate.downgrade(empty_url, "base")
    assert await migrate.current(empty_url) is None
    assert await read_schema(empty_url) == {}
    await migrate.upgrade(empty_url)
    assert await read_schema(empty_url) == first


async def test_replicas_that_start_together_migrate_once(empty_url: str) -> None:
    await asyncio.gather(*(migrate.upgrade(empty_url) for _ in range(4)))
    assert await migrate.current(empty_url) == migrate.head()


async def test_a_migration_that_fails_leaves_nothing_behind(empty_url: str) -> None:
    database = await Database.open(empty_url)
    await database.write(lambda tx: tx.execute(text("CREATE TABLE workers (id text)")).rowcount)
    with pytest.raises(Exception, match="workers"):
        await migrate.upgrade(empty_url)
    assert (await database.read(schema)).keys() == {"workers"}
    await database.close()


async def test_a_database_of_a_later_version_is_refused(database_url: str) -> None:
    database = await Database.open(database_url)
    await database.write(lambda tx: tx.execute(text("UPDATE alembic_version SET version_num = '9999'")).rowcount)
    await database.close()
    with pytest.raises(CommandError):
        await migrate.upgrade(database_url)
