"""What a link to a picture answers: bytes, parts of them, or why not, told before the first byte."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from app.store import media
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def client(gateway: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway.client() as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link(gateway: Running) -> str:
    return await drawn(gateway)


async def drawn(gateway: Running) -> str:
    """A new picture's link."""
    async with gateway.client() as client:
        answer = await client.post("/v1/images/generations", json={"model": "nano-banana-pro-1k", "prompt": "a cube"})
    return str(answer.json()["data"][0]["url"])


async def get(client: httpx.AsyncClient, link: str, **headers: str) -> httpx.Response:
    return await client.get(link, headers={name.replace("_", "-"): value for name, value in headers.items()})


def refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, str(response.json()["error"]["code"])


async def test_a_picture_is_served_as_nothing_but_a_picture(client: httpx.AsyncClient, link: str) -> None:
    told = (await get(client, link)).headers
    assert told["content-type"] in {"image/png", "image/jpeg", "image/webp"}
    assert told["x-content-type-options"] == "nosniff"
    assert told["content-security-policy"] == "sandbox; default-src 'none'"
    assert told["cache-control"] == "private, max-age=3600, immutable"


async def test_a_head_tells_what_a_get_would_and_takes_no_range(client: httpx.AsyncClient, link: str) -> None:
    got, head = await get(client, link), await client.head(link, headers={"range": "bytes=0-3"})
    assert (head.status_code, head.content) == (200, b"")
    told = {"content-length", "content-type", "etag", "accept-ranges", "cache-control"}
    assert {name: head.headers[name] for name in told} == {name: got.headers[name] for name in told}


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=0-3", 0, 4), ("Bytes= 5-", 5, None), ("bytes=-7", -7, None)]
)
async def test_a_range_brings_that_part(
    client: httpx.AsyncClient, link: str, asked: str, start: int, end: int | None
) -> None:
    whole, part = (await get(client, link)).content, await get(client, link, range=asked)
    assert (part.status_code, part.content) == (206, whole[start:end])
    first = start % len(whole)
    last = first + len(part.content) - 1
    assert part.headers["content-range"] == f"bytes {first}-{last}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "pages=1-2", "bytes=", "x"])
async def test_c41_what_is_no_single_range_brings_all(client: httpx.AsyncClient, link: str, asked: str) -> None:
    whole, answer = await get(client, link), await get(client, link, range=asked)
    assert (answer.status_code, answer.content) == (200, whole.content)


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0", "bytes=9-3"])
async def test_a_range_outside_is_told_how_large_the_picture_is(
    client: httpx.AsyncClient, link: str, asked: str
) -> None:
    whole, answer = await get(client, link), await get(client, link, range=asked)
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(whole.content)}")


async def test_a_range_that_is_meant_for_other_bytes_brings_all(client: httpx.AsyncClient, link: str) -> None:
    etag = (await get(client, link)).headers["etag"]
    assert (await get(client, link, range="bytes=0-3", if_range=etag)).status_code == 206
    assert (await get(client, link, range="bytes=0-3", if_range='"other"')).status_code == 200
    assert (await get(client, link, range="bytes=0-3", if_range="Fri, 20 Nov 2026 12:00:00 GMT")).status_code == 200


@pytest.mark.parametrize("known", ["{etag}", "W/{etag}", '"other", {etag}', "*"])
async def test_who_has_the_bytes_gets_none(client: httpx.AsyncClient, link: str, known: str) -> None:
    etag = (await get(client, link)).headers["etag"]
    answer = await get(client, link, if_none_match=known.format(etag=etag), range="bytes=0-3")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await get(client, link, if_none_match='"other"')).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_picture_whose_file_is_gone_is_not_begun(gateway: Running, method: str) -> None:
    link = await drawn(gateway)
    name = link.rpartition("/")[2].partition("?")[0]
    await gateway.services.media.delete(name)
    async with gateway.client() as client:
        answer = await client.request(method, link)
        assert answer.status_code == 404
        if method == "GET":
            assert refusal(answer) == (404, "media_not_found")


async def test_a_picture_that_was_erased_is_gone(gateway: Running) -> None:
    link = await drawn(gateway)
    media_id = link.rpartition("/")[2].partition(".")[0]
    at = gateway.services.clock.now()
    await gateway.services.database.write(lambda tx: media.mark_erased(tx, [media_id], at=at))
    async with gateway.client() as client:
        assert refusal(await client.get(link)) == (410, "media_expired")


async def test_what_is_no_file_is_no_picture(gateway: Running) -> None:
    link = await drawn(gateway)
    name = link.rpartition("/")[2].partition("?")[0]
    (file,) = (gateway.directory / "media").glob(f"??/{name}")
    file.unlink()
    file.mkdir()
    async with gateway.client() as client:
        assert refusal(await client.get(link)) == (404, "media_not_found")
    file.rmdir()
