"""How the console's files are served."""

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
import pytest_asyncio

from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

POLICY: Final = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}


@pytest_asyncio.fixture(loop_scope="session")
async def client(gateway: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=gateway.url) as client:
        yield client


def linked(page: str) -> list[str]:
    return re.findall(r'(?:src|href)="([^"]+)"', page)


async def test_the_page_is_never_kept_and_needs_no_key(client: httpx.AsyncClient) -> None:
    page = await client.get("/console")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_every_file_is_served_under_the_strict_policy(client: httpx.AsyncClient) -> None:
    links = linked((await client.get("/console")).text)
    assert links
    for path in ["/console", *links]:
        answer = await client.get(path)
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert (answer.status_code, policy) == (200, POLICY), path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "no-referrer", path


async def test_a_file_of_this_version_is_kept_for_good_and_of_another_is_asked_for_again(
    client: httpx.AsyncClient,
) -> None:
    path = next(link for link in linked((await client.get("/console")).text) if link.endswith("main.js"))
    now = await client.get(path)
    assert now.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (await client.get("/console/0123456789abcdef/js/main.js")).headers["cache-control"] == "no-cache"
    again = await client.get(path, headers={"if-none-match": now.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["nothing.js", "../routes.py", "%2e%2e/routes.py", "js/../../routes.py", "index.html", ""]
)
async def test_nothing_but_the_consoles_files_is_served(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.get(f"/console/0123456789abcdef/{name}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
