"""One gateway with its sandbox for the tests of what operators see and steer; databases that processes share."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)
from tests.support.gateway import ADMIN_KEY, Running, running_gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def admin(gateway: Running) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30, verify=False) as client:
        yield client
