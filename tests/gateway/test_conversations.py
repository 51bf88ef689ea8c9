"""Conversations with image models, as chat clients keep them: our own answers come back, and none of it is fetched.

The gateway may reach no private address here, as in production: its own links could not be fetched.
"""

import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from PIL import Image

from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
MODELS = ["nano-banana-2-0.5k@infinityblue", "nano-banana-2-0.5k@google"]
INSIDE = "http://169.254.169.254/latest/picture.png"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("gateway"), allow_private_networks="") as running:
        yield running


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def data_uri(shade: int) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", (24, 16), (shade, 30, 60)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


async def said(gateway: Running, model: str, messages: list[dict[str, Any]], **headers: str) -> httpx.Response:
    async with gateway.client(headers=headers) as client:
        return await client.post(CHAT, json={"model": model, "messages": messages})


async def references(gateway: Running) -> int:
    """How many pictures the vendor was given with its last call."""
    return len((await gateway.paid_calls())[-1]["order"]["references"])


async def own_link(gateway: Running, key: str, *, lifetime_s: int) -> str:
    """A link to a picture that this key has drawn."""
    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
        body = {"model": MODELS[0], "prompt": "a cube"}
        answer = (await client.post("/v1/images/generations", json=body)).json()
    name = answer["data"][0]["url"].partition("/v1/media/")[2].partition("?")[0]
    media_id, _, extension = name.partition(".")
    return gateway.services.signer.url(gateway.url, media_id, extension, lifetime_s=lifetime_s)


@pytest.mark.parametrize("style", ["markdown", "data", "url"])
@pytest.mark.parametrize("model", MODELS)
async def test_the_second_turn_builds_on_the_picture_of_the_first(gateway: Running, model: str, style: str) -> None:
    style_header = {"oneshape-image-style": style}
    first = (await said(gateway, model, [user("a cube")], **style_header)).json()["choices"][0]["message"]
    second = await said(gateway, model, [user("a cube"), first, user("in blue")], **style_header)
    assert second.status_code == 200, second.text
    assert await references(gateway) == 1
    assert second.json()["oneshape"]["warnings"] == []


async def test_ones_own_expired_link_is_still_a_picture(gateway: Running) -> None:
    link = await own_link(gateway, gateway.key, lifetime_s=-60)
    answer = await said(gateway, MODELS[0], [user(f"this in blue ![image]({link})")])
    assert answer.status_code == 200, answer.text
    assert await references(gateway) == 1


async def test_a_strangers_link_is_a_picture_until_it_expires(gateway: Running) -> None:
    stranger = await gateway.new_key()
    live, expired = [await own_link(gateway, stranger, lifetime_s=seconds) for seconds in (3600, -60)]
    taken = await said(gateway, MODELS[0], [user(f"this in blue ![image]({live})")])
    refused = await said(gateway, MODELS[0], [user(f"this in blue ![image]({expired})")])
    assert taken.status_code == 200
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "failed_to_download_image")


@pytest.mark.parametrize("change", ["sig=x", "exp=1"])
async def test_a_link_that_was_changed_is_a_url_like_any_other(gateway: Running, change: str) -> None:
    link = await own_link(gateway, gateway.key, lifetime_s=3600)
    name = change.partition("=")[0]
    changed = link.replace(f"{name}=", f"{change}")
    answer = await said(gateway, MODELS[1], [user(f"this in blue ![image]({changed})")])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_url_not_allowed")


async def test_an_earlier_picture_that_cannot_be_had_is_left_out_and_told(gateway: Running) -> None:
    gone = gateway.services.signer.url(gateway.url, "med_" + "0" * 26, "png", lifetime_s=60)
    turns = [user("a cube"), {"role": "assistant", "content": f"![image]({gone})\n![image]({INSIDE})"}, user("in blue")]
    answer = await said(gateway, MODELS[1], turns)
    strict = await said(gateway, MODELS[0], turns, **{"oneshape-strict": "true"})
    assert answer.status_code == 200, answer.text
    assert await references(gateway) == 0
    warnings = answer.json()["oneshape"]["warnings"]
    assert [one["param"] for one in warnings] == ["messages[1].content", "messages[1].content"]
    assert (strict.status_code, strict.json()["error"]["param"]) == (400, "messages[1].content")


async def test_the_prompts_own_picture_must_be_had(gateway: Running) -> None:
    answer = await said(gateway, MODELS[1], [user(f"this in blue ![image]({INSIDE})")])
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "image_url_not_allowed")


async def test_a_long_conversation_of_inlined_pictures_goes_on(gateway: Running) -> None:
    turns = [
        turn
        for number in range(20)
        for turn in (user("a cube"), {"role": "assistant", "content": f"![image]({data_uri(number)})"})
    ]
    answer = await said(gateway, MODELS[0], [*turns, user("in blue")])
    assert answer.status_code == 200, answer.text
    assert await references(gateway) == 14
    assert "6 of 20 pictures" in answer.json()["oneshape"]["warnings"][0]["message"]


async def test_a_long_conversation_of_a_gemini_client_goes_on(gateway: Running) -> None:
    contents = [
        content
        for number in range(20)
        for content in (
            {"role": "user", "parts": [{"text": "a cube"}]},
            {"role": "model", "parts": [{"inlineData": {"data": data_uri(number).partition(",")[2]}}]},
        )
    ]
    body = {"contents": [*contents, {"role": "user", "parts": [{"text": "in blue"}]}]}
    async with gateway.client() as client:
        answer = await client.post(f"/v1beta/models/{MODELS[1]}:generateContent", json=body)
    assert answer.status_code == 200, answer.text
    assert await references(gateway) == 14
    assert "6 of 20 pictures" in answer.json()["oneshape"]["warnings"][0]["message"]
