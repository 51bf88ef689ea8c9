"""A sandbox on a real socket, its clock moved by hand, and a client that holds a key."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve
from tests.sandbox.support import KEY, HandClock


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def base(clock: HandClock) -> AsyncIterator[str]:
    async with serve(SandboxConfig(task_seconds=10.0, clock=clock)) as url:
        yield url


@pytest.fixture
async def client(base: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=base, headers=KEY, timeout=20.0) as client:
        yield client
