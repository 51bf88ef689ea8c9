"""Where operators want it, links send clients to the bucket: a presigned URL that is good for a short time."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import pytest_asyncio

from app.core.clock import Clock
from app.settings import SettingsInvalid, read_settings
from app.web.media import PRESIGNED_S
from tests.support.buckets import BUCKET, CREDENTIALS, bucket_endpoint  # noqa: F401 - a fixture
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


class HandClock(Clock):
    """Real time, and what a test adds to it."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, bucket_endpoint: str) -> AsyncIterator[Running]:  # noqa: F811
    async with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        clock=HandClock(),
        env=CREDENTIALS,
        media_url=f"s3://{BUCKET}/delivered",
        media_s3_endpoint=bucket_endpoint,
        media_s3_public_endpoint=bucket_endpoint.replace("127.0.0.1", "localhost"),
        media_delivery="presigned",
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def link(gateway: Running) -> str:
    async with gateway.client() as client:
        answer = await client.post("/v1/images/generations", json={"model": "nano-banana-pro-1k", "prompt": "a cube"})
    return str(answer.json()["data"][0]["url"])


async def get(gateway: Running, link: str, **headers: str) -> httpx.Response:
    async with gateway.client() as client:
        return await client.get(link, headers=headers)


async def test_a_link_leads_to_the_bytes_in_the_bucket_under_its_public_name(gateway: Running, link: str) -> None:
    sent, bytes_here = await get(gateway, link), await get(gateway, f"{link}&proxied=true")
    there = urlsplit(sent.headers["location"])
    assert (sent.status_code, sent.content, there.hostname) == (302, b"", "localhost")
    assert int(parse_qs(there.query)["X-Amz-Expires"][0]) == PRESIGNED_S
    async with httpx.AsyncClient(trust_env=False) as stranger:
        fetched = await stranger.get(sent.headers["location"])
        part = await stranger.get(sent.headers["location"], headers={"range": "bytes=0-3"})
    assert (fetched.status_code, fetched.content) == (200, bytes_here.content)
    assert (part.status_code, part.content) == (206, bytes_here.content[:4])
    told = {"content-type": bytes_here.headers["content-type"]}
    told |= {name: bytes_here.headers[name] for name in ("content-disposition", "cache-control")}
    assert {name: fetched.headers[name] for name in told} == told


async def test_who_knows_the_bytes_or_asks_about_them_only_is_sent_nowhere(gateway: Running, link: str) -> None:
    whole = await get(gateway, f"{link}&proxied=true")
    assert (await get(gateway, link, **{"if-none-match": whole.headers["etag"]})).status_code == 304
    async with gateway.client() as client:
        head = await client.head(link)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))


async def test_a_presigned_url_is_never_good_for_longer_than_the_link_and_its_302_is_kept_for_less(
    gateway: Running, link: str
) -> None:
    clock = gateway.services.clock
    assert isinstance(clock, HandClock)
    left_s = int(parse_qs(urlsplit(link).query)["exp"][0]) - clock.now()
    clock.ahead_s = left_s - 20
    sent = await get(gateway, link)
    clock.ahead_s = left_s + 1
    late = await get(gateway, link)
    clock.ahead_s = 0.0
    assert 1 <= int(parse_qs(urlsplit(sent.headers["location"]).query)["X-Amz-Expires"][0]) <= 20
    assert int(sent.headers["cache-control"].rpartition("=")[2]) <= 10
    assert late.status_code == 410


async def test_a_link_that_somebody_changed_is_not_sent_on(gateway: Running, link: str) -> None:
    assert (await get(gateway, link.replace("exp=1", "exp=2"))).status_code == 403


async def test_files_cannot_be_delivered_by_anybody_else(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="MEDIA_URL"):
        read_settings(env_file=tmp_path / "none", data_dir=tmp_path, media_delivery="presigned")
