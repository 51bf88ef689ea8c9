"""An answer with many large pictures: as large as they may be together is no fault, larger is (fault-cases F72)."""

import asyncio
import base64
import io
import random
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
import pytest_asyncio
from PIL import Image

from app.gateway.catalog.live import Revision
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

MB: Final = 1
"""What a picture may have, and an answer with one."""
PICTURES: Final = 4
SIDE: Final = 570
CATALOG: Final = """
version: 1
currency: USD
vendors:
  noise: {{dialect: openai_images, base_url: "{url}", api_keys: ["k"]}}
models:
  - {{id: noise, kind: image, price: {{per_image: "0.05"}}, targets: [{{vendor: noise, model: m}}]}}
"""


def noise(seed: int) -> bytes:
    """A picture of nearly 1 MB."""
    file = io.BytesIO()
    pixels = random.Random(seed).randbytes(SIDE * SIDE * 3)
    Image.frombytes("RGB", (SIDE, SIDE), pixels).save(file, "PNG", compress_level=0)
    return file.getvalue()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Four pictures, however many were asked for."""
    await reader.readuntil(b"\r\n\r\n")
    items = b",".join(b'{"b64_json":"%b"}' % base64.b64encode(noise(seed)) for seed in range(PICTURES))
    body = b'{"created":1790000000,"data":[%b]}' % items
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
    writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
    try:
        await writer.drain()
    except ConnectionError:
        return  # it had enough
    finally:
        writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        async def source() -> Revision:
            return Revision(1, CATALOG.format(url=url), "yaml")

        async with running_gateway(
            tmp_path_factory.mktemp("gateway"), source=source, max_vendor_reply_mb=MB, max_result_file_mb=MB
        ) as running:
            yield running


async def asked(gateway: Running, n: int) -> Any:
    async with gateway.client() as client:
        body = {"model": "noise", "prompt": "noise", "n": n, "response_format": "b64_json"}
        return await client.post("/v1/images/generations", json=body)


async def test_as_many_pictures_as_were_asked_for_may_each_be_as_large_as_one(gateway: Running) -> None:
    got = await asked(gateway, PICTURES)
    assert got.status_code == 200
    pictures = [base64.b64decode(one["b64_json"]) for one in got.json()["data"]]
    assert pictures == [noise(seed) for seed in range(PICTURES)]


async def test_f72_more_than_what_was_asked_for_can_take_is_an_answer_without_end(gateway: Running) -> None:
    got = await asked(gateway, 1)
    assert (got.status_code, got.json()["error"]["code"]) == (502, "upstream_invalid_response")
