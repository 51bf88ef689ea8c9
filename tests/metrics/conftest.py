"""One gateway with its sandbox and a token for metrics, for all tests of a file."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.gateway import Running, running_gateway

METRICS_TOKEN = "scrape-7Hq2wV9xLm4tPz8k"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("metrics"), metrics_token=METRICS_TOKEN) as running:
        yield running
