"""The main job: one request, any vendor, one shape, recorded and billed. The client is the official SDK on a real
socket.
"""

import base64
import io
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest
import pytest_asyncio
from PIL import Image

from app.store import ledger, ledger_verify, tasks
from tests.support.gateway import Running

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"], scope="module"),
]

VENDORS = ["uniall-chat", "uniall-tasks", "infinityblue", "ccapi", "google"]
PRICE_UNITS = 134_000
WIDE = (1376, 768)  # 16:9 at 1K (wire-facts 4.3)
ASPECT: dict[str, Any] = {"aspect_ratio": "16:9"}


def model_at(vendor: str) -> str:
    return f"nano-banana-pro-1k@{vendor}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(gateway: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


def shape(value: Any) -> Any:
    """The keys of a document and the kinds of its values, whatever they are."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def opened(data: bytes) -> tuple[tuple[int, int], str]:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.size, str(picture.format)


async def fetched(url: str) -> bytes:
    async with httpx.AsyncClient(verify=False) as client:
        response = await client.get(url)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("image/")
    return response.content


async def captured(gateway: Running) -> int:
    page = await gateway.services.database.read(
        lambda tx: ledger.entries(tx, account_id=gateway.account_id, kind="capture", limit=100)
    )
    return sum(entry.units for entry in page.items)


@pytest.mark.parametrize("vendor", VENDORS)
async def test_images_generate_brings_the_vendors_picture_from_our_own_url(
    gateway: Running, sdk: openai.AsyncOpenAI, vendor: str
) -> None:
    before = await captured(gateway)
    answer = await sdk.images.generate(model=model_at(vendor), prompt="a red cube", extra_body=ASPECT)
    assert answer.data is not None
    assert answer.data[0].url is not None
    assert answer.data[0].url.startswith(f"{gateway.url}/v1/media/med_")
    size, _ = opened(await fetched(answer.data[0].url))
    assert size == WIDE == (answer.data[0].width, answer.data[0].height)  # type: ignore[attr-defined]  # our own keys
    assert await captured(gateway) - before == PRICE_UNITS


@pytest.mark.parametrize("vendor", VENDORS)
async def test_images_generate_gives_base64_when_asked_whatever_the_vendor_returns(
    sdk: openai.AsyncOpenAI, vendor: str
) -> None:
    answer = await sdk.images.generate(
        model=model_at(vendor), prompt="a red cube", response_format="b64_json", extra_body=ASPECT
    )
    assert answer.data is not None
    assert answer.data[0].b64_json is not None
    assert opened(base64.b64decode(answer.data[0].b64_json, validate=True))[0] == WIDE


@pytest.mark.parametrize("vendor", VENDORS)
async def test_chat_answers_with_the_picture_in_every_place_clients_look(sdk: openai.AsyncOpenAI, vendor: str) -> None:
    answer = await sdk.chat.completions.create(
        model=model_at(vendor), messages=[{"role": "user", "content": "a blue cube"}], extra_body=ASPECT
    )
    message = answer.choices[0].message
    found = re.search(r"!\[image\]\(([^)]+)\)", message.content or "")
    assert found is not None
    assert message.images[0]["image_url"]["url"] == found[1]  # type: ignore[attr-defined]  # our own key
    assert answer.media["outputs"] == [found[1]]  # type: ignore[attr-defined]  # our own key
    assert opened(await fetched(found[1]))[0] == WIDE


@pytest.mark.parametrize("vendor", VENDORS)
async def test_streamed_chat_opens_with_a_role_and_ends_with_the_picture_and_a_reason(
    sdk: openai.AsyncOpenAI, vendor: str
) -> None:
    stream = await sdk.chat.completions.create(
        model=model_at(vendor),
        messages=[{"role": "user", "content": "a green cube"}],
        extra_body=ASPECT,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    role, picture, end, usage = chunks
    assert role.choices[0].delta.role == "assistant"
    found = re.search(r"!\[image\]\(([^)]+)\)", picture.choices[0].delta.content or "")
    assert found is not None
    assert opened(await fetched(found[1]))[0] == WIDE
    assert end.choices[0].finish_reason == "stop"
    assert usage.choices == []
    assert usage.usage is not None


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/images/generations", {"prompt": "a cube"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a cube"}]}),
    ],
)
async def test_every_vendor_is_answered_in_the_same_shape(gateway: Running, path: str, asked: dict[str, Any]) -> None:
    async with gateway.client() as client:
        shapes = [
            shape((await client.post(path, json={"model": model_at(vendor), **asked})).json()) for vendor in VENDORS
        ]
    assert all(one == shapes[0] for one in shapes[1:])
    assert "oneshape" in shapes[0]


async def test_what_was_captured_is_price_times_delivered_pictures_and_the_ledger_is_clean(gateway: Running) -> None:
    async with gateway.client() as client:
        await client.post("/v1/images/generations", json={"model": model_at("ccapi"), "prompt": "three cubes", "n": 3})
    page = await gateway.services.database.read(
        lambda tx: tasks.list_page(tx, account_id=gateway.account_id, limit=100)
    )
    delivered = sum(task.images_delivered for task in page.items)
    assert delivered == sum(call["order"].get("n", 1) for call in await gateway.paid_calls())
    assert await captured(gateway) == sum(task.units for task in page.items) == PRICE_UNITS * delivered
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()
