"""With `MEDIA_URL=s3://…` pictures live in the bucket: clients see no difference, and no file of theirs stays here."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from obstore.store import S3Store

from tests.support.buckets import BUCKET, CREDENTIALS
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS = "/v1/images/generations"
ASKED = {"model": "nano-banana-pro-1k", "prompt": "a cube"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory, bucket_endpoint: str) -> AsyncIterator[Running]:
    settings: dict[str, Any] = {"media_url": f"s3://{BUCKET}/some/prefix", "media_s3_endpoint": bucket_endpoint}
    async with running_gateway(tmp_path_factory.mktemp("gateway"), env=CREDENTIALS, **settings) as running:
        yield running


@pytest.fixture
def bucket(bucket_endpoint: str) -> S3Store:
    return S3Store(
        BUCKET,
        endpoint=bucket_endpoint,
        access_key_id="key",
        secret_access_key="secret",
        client_options={"allow_http": True},
    )


def pictures(bucket: S3Store) -> set[str]:
    return {str(found["path"]) for page in bucket.list("some/prefix") for found in page if "med_" in found["path"]}


async def test_a_picture_is_an_object_and_is_served_under_our_own_url(gateway: Running, bucket: S3Store) -> None:
    before = pictures(bucket)
    async with gateway.client() as client:
        answer = (await client.post(GENERATIONS, json=ASKED)).json()
        url = answer["data"][0]["url"]
        served = await client.get(url)
        part = await client.get(url, headers={"range": "bytes=1-3"})
    (new,) = pictures(bucket) - before
    assert url.startswith(f"{gateway.url}/v1/media/{new.rpartition('/')[2]}?")
    assert served.content == bytes(bucket.get(new).bytes())
    assert (part.status_code, part.content) == (206, served.content[1:4])


async def test_a_picture_is_inlined_from_the_bucket(gateway: Running) -> None:
    async with gateway.client() as client:
        answer = (await client.post(GENERATIONS, json={**ASKED, "response_format": "b64_json"})).json()
        linked = await client.post(GENERATIONS, json={**ASKED, "image": (await _picture(client))})
    assert base64.b64decode(answer["data"][0]["b64_json"]).startswith((b"\x89PNG", b"\xff\xd8\xff", b"RIFF"))
    assert linked.status_code == 200


async def test_nothing_of_a_finished_request_stays_on_this_machine(gateway: Running) -> None:
    async with gateway.client() as client:
        await client.post(GENERATIONS, json=ASKED)
    kept = [path for path in gateway.directory.rglob("*") if path.is_file() and not path.name.startswith("oneshape.db")]
    assert [path for path in kept if path.suffix != ".lock"] == []


async def test_h97_a_bucket_that_is_gone_is_told_before_anything_is_paid(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    settings: dict[str, Any] = {"media_url": f"s3://{BUCKET}/x", "media_s3_endpoint": "http://127.0.0.1:9"}
    async with running_gateway(tmp_path_factory.mktemp("gone"), env=CREDENTIALS, **settings) as running:
        async with running.client() as client:
            answer = await client.post(GENERATIONS, json=ASKED)
            ready = await client.get("/readyz")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
        assert (ready.status_code, ready.json()["media"]) == (503, "unavailable")
        assert await running.paid_calls() == []


async def _picture(client: httpx.AsyncClient) -> str:
    """A drawn picture as a data URI, to be a reference."""
    answer = await client.post(GENERATIONS, json={**ASKED, "output_format": "png", "response_format": "b64_json"})
    return "data:image/png;base64," + str(answer.json()["data"][0]["b64_json"])
