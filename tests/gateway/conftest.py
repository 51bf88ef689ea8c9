"""One gateway with its sandbox for all tests of a file: they are clients, and clients share a server."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.support.buckets import bucket_endpoint  # noqa: F401 - a fixture
from tests.support.databases import postgresql_database, postgresql_template, postgresql_url  # noqa: F401 - a fixture
from tests.support.gateway import ADMIN_KEY, SECRET_KEY, Running, running_gateway


@pytest.fixture(scope="module")
def database_kind() -> str:
    """Where the gateway keeps its books; a file that is to run on both databases is parametrized by it."""
    return "sqlite"


@pytest.fixture(scope="module")
def database_settings(database_kind: str, request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """The settings of an empty database of that kind."""
    if database_kind == "sqlite":
        yield {}
        return
    with postgresql_database(request.getfixturevalue("postgresql_template")) as name:
        yield {"database_url": postgresql_url(name), "admin_key": ADMIN_KEY, "secret_key": SECRET_KEY}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(
    tmp_path_factory: pytest.TempPathFactory, database_settings: dict[str, Any]
) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("gateway"), **database_settings) as running:
        yield running
