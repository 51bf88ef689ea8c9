"""What every test of the store uses: the databases, and a few rows to begin with."""

from collections.abc import AsyncIterator

import pytest

from app.store.database import Database
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)


@pytest.fixture
async def on_sqlite(sqlite_url: str) -> AsyncIterator[Database]:  # noqa: F811 - the fixture
    """For tests of single conditions: both kinds of databases get the same statements."""
    opened = await Database.open(sqlite_url)
    yield opened
    await opened.close()
