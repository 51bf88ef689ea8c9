"""Databases that several processes share, and two such processes for all tests of a file."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    postgresql_copy,
    postgresql_database,
    postgresql_template,
    postgresql_url,
)
from tests.support.fleet import Fleet, running_fleet


@pytest.fixture(scope="module")
def empty_database(postgresql_template: str) -> Iterator[str]:  # noqa: F811 - only to skip without a server
    """A database without any table."""
    with postgresql_database() as name:
        yield postgresql_url(name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory, empty_database: str) -> AsyncIterator[Fleet]:
    async with running_fleet(tmp_path_factory.mktemp("fleet"), empty_database) as running:
        yield running
