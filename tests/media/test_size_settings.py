"""What operators say of sizes holds for what clients send and for what vendors draw."""

import base64
import io
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from PIL import Image

from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

GENERATIONS = "/v1/images/generations"
ASKED = {"model": "nano-banana-pro-2k", "prompt": "a cube"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("gateway"), max_side_px=1024, max_pixels=2_000_000) as running:
        yield running


def reference(width: int, height: int) -> str:
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


async def test_e60_a_reference_may_have_sides_as_long_as_the_setting_says(gateway: Running) -> None:
    small = {**ASKED, "model": "nano-banana-2-0.5k"}
    async with gateway.client() as client:
        taken = await client.post(GENERATIONS, json={**small, "image": reference(1024, 8)})
        refused = await client.post(GENERATIONS, json={**small, "image": reference(1025, 8)})
        queued = await client.post("/v1/images/tasks", json={**small, "image": reference(8, 1024)})
    error = refused.json()["error"]
    assert (taken.status_code, queued.status_code) == (200, 202)
    assert (refused.status_code, error["code"], error["param"]) == (400, "invalid_image", "image")
    assert "at most 1024 a side" in error["message"]


async def test_e60_a_drawn_picture_may_have_as_many_pixels_as_the_setting_says(gateway: Running) -> None:
    async with gateway.client() as client:
        answer = await client.post(GENERATIONS, json=ASKED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_invalid_response")
