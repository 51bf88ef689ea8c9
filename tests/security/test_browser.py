"""E66: a picture that is a page as well, opened in a real browser in every way there is: nothing of it runs."""

import struct
import zlib
from collections.abc import AsyncIterator
from typing import Final

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from starlette.responses import HTMLResponse
from starlette.types import Receive, Scope, Send

from app.cli.serving import serving
from tests.console.support import CHROMIUM, FLAGS
from tests.security.painter import Painter, Shelf, answer, catalog, painting, png
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPT: Final = "top.ran=1;window.ran=1;document.title='ran';alert(1)"
PAGE: Final = f'<html><body onload="{SCRIPT}"><script>{SCRIPT}</script><svg onload="{SCRIPT}"></svg></body></html>'


def polyglot() -> bytes:
    """A whole PNG whose text chunk, which comes first, is a page with scripts."""
    picture = png(32)
    text = b"tEXt" + b"a\0" + f"--></title></style></script>{PAGE}".encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    return picture[:33] + chunk + picture[33:]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A link to the picture, as a vendor sent it."""
    async with painting() as painter:
        painter.reply = answer(polyglot())
        directory = tmp_path_factory.mktemp("browser")
        async with running_gateway(directory, source=Shelf(catalog(painter.url))) as gateway:
            yield await drawn(gateway, painter)


async def drawn(gateway: Running, painter: Painter) -> str:
    """The link that a client is given; the picture behind it is the vendor's, byte for byte."""
    async with gateway.client() as client:
        told = (await client.post("/v1/images/generations", json={"model": "picture", "prompt": "a fox"})).json()
        url: str = told["data"][0]["url"]
        assert b"<script>" in (await client.get(url)).content
    assert painter.calls == 1
    return url


EMBEDDED: Final = {
    "image": '<img src="{url}">',
    "frame": '<iframe src="{url}"></iframe>',
    "object": '<object data="{url}" type="text/html"></object>',
    "embed": '<embed src="{url}" type="text/html">',
    "script": '<script src="{url}"></script>',
    "style": '<link rel="stylesheet" href="{url}">',
}


async def test_e66_opened_by_itself_a_picture_is_a_picture(browser: Browser, link: str) -> None:
    page = await browser.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await page.goto(link)
    # The browser's own page around a picture, and nothing that the picture brought.
    assert await page.evaluate("document.images.length") == 1
    assert await page.evaluate("document.images[0].naturalWidth") == 32
    assert await page.evaluate("[document.scripts.length, typeof window.ran]") == [0, "undefined"]
    assert dialogs == []
    await page.close()


@pytest.mark.parametrize("how", EMBEDDED)
async def test_e66_in_a_page_of_a_stranger_it_runs_nothing(browser: Browser, link: str, how: str) -> None:
    page = await browser.new_page()
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))

    async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse("<!doctype html>" + EMBEDDED[how].format(url=link))(scope, receive, send)

    async with serving(stranger) as url:
        await page.goto(url, wait_until="load")
        await page.wait_for_timeout(100)
        for frame in page.frames:
            assert await frame.evaluate("typeof window.ran") == "undefined"
        if how == "image":
            assert await page.evaluate("document.images[0].naturalWidth") == 32
    assert dialogs == []
    await page.close()


async def test_the_same_bytes_as_a_page_do_run(browser: Browser) -> None:
    """Without this the tests above would see nothing in nothing."""
    page = await browser.new_page()
    dialogs: list[str] = []

    async def accept(dialog: object) -> None:
        dialogs.append("seen")
        await dialog.accept()  # type: ignore[attr-defined]  # Playwright's own type

    page.on("dialog", accept)

    async def careless(scope: Scope, receive: Receive, send: Send) -> None:
        await HTMLResponse(polyglot())(scope, receive, send)

    async with serving(careless) as url:
        await page.goto(url)
        assert await page.evaluate("window.ran") == 1
    assert dialogs
    await page.close()
