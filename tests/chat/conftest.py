"""One gateway in front of one scripted vendor for all tests of a file; each test says anew what the vendor answers."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.chat.vendor import Vendor, World, completion, whole, world


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("chat"), timeout_s=3) as opened:
        yield opened


@pytest.fixture
def vendor(shared: World) -> Vendor:
    shared.vendor.received.clear()
    shared.vendor.asked.clear()
    shared.vendor.hangups = 0
    shared.vendor.reply = lambda _: whole(completion())
    return shared.vendor
