"""One gateway with its sandbox, patient with those who send wrong keys, for all tests of a file."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.gateway import Running, running_gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("contract"), wrong_keys_per_minute=10_000) as running:
        yield running
