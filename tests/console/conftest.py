"""One gateway whose catalog may be edited, and one browser, for all tests of the console. Without a browser they are
skipped.
"""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from app.cli.sandboxed import sandboxed_catalog
from app.cli.serving import serving
from app.core.clock import Clock
from app.main import create_app
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.settings import Secrets, Settings
from app.wiring import open_services
from tests.console.support import CHROMIUM, FLAGS, Seat
from tests.support.gateway import ADMIN_KEY, LOOPBACK, SECRET_KEY, Running, make_key


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    directory = tmp_path_factory.mktemp("console")
    settings = Settings(_env_file=None, data_dir=directory, allow_private_networks=LOOPBACK, min_free_disk_mb=0)
    async with (
        serve_sandbox(SandboxConfig(task_seconds=0.05)) as sandbox_url,
        open_services(settings, Secrets(ADMIN_KEY, SECRET_KEY), env={}, clock=Clock()) as services,
    ):
        await services.catalog_desk.put(sandboxed_catalog(sandbox_url), "yaml")
        account_id, key = await make_key(services, 100_000_000)
        async with serving(create_app(services)) as url:
            yield Running(url, sandbox_url, services, directory, account_id, key)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def seat(browser: Browser, gateway: Running) -> AsyncIterator[Seat]:
    """A new tab with nothing in it; the test fails when anything went wrong on the page."""
    context = await browser.new_context(viewport={"width": 1280, "height": 860})
    seat = Seat(await context.new_page(), gateway)
    yield seat
    await context.close()
    assert seat.problems == []
