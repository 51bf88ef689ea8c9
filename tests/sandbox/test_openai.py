"""OpenAI's images and chat as the wire facts describe them (sections 1 and 2), partly through the official SDK."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from tests.sandbox.support import events, looks_base64

IMAGES = "/openai/v1/images/generations"
EDITS = "/openai/v1/images/edits"
TOOL: Any = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


@pytest.fixture
async def sdk(base: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{base}/openai/v1", api_key="sandbox-test", max_retries=0) as sdk:
        yield sdk


@pytest.fixture
async def mug(client: httpx.AsyncClient) -> bytes:
    return (await client.get("/samples/mug.png")).content


async def test_generations_answer_base64_with_usage(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.images.generate(model="gpt-image-2", prompt="a mug", n=2, size="1536x1024", output_format="webp")
    assert answer.data is not None
    assert [looks_base64(one.b64_json or "") for one in answer.data] == [("WEBP", (1536, 1024))] * 2
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert (answer.size, answer.output_format, answer.background) == ("1536x1024", "webp", "opaque")


@pytest.mark.parametrize("name", ["aspect_ratio", "response_format", "image", "resolution", "style"])
async def test_fields_that_are_not_openais_are_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post(IMAGES, json={"model": "gpt-image-2", "prompt": "x", name: "url"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "message": f"Unknown parameter: '{name}'.",
        "type": "invalid_request_error",
        "param": name,
        "code": "unknown_parameter",
    }


@pytest.mark.parametrize(
    ("size", "status"),
    [
        ("auto", 200),
        ("512x1536", 200),
        ("1000x1000", 400),
        ("512x1552", 400),
        ("3856x2160", 400),
        ("3840x2176", 400),
        ("0x0", 400),
        ("big", 400),
    ],
)
async def test_sizes_follow_the_rules_of_gpt_image_2(client: httpx.AsyncClient, size: str, status: int) -> None:
    answer = await client.post(IMAGES, json={"model": "gpt-image-2", "prompt": "x", "size": size})
    assert answer.status_code == status


@pytest.mark.parametrize(
    "change",
    [
        {"model": "gpt-image-1"},
        {"model": "gpt-image-1.5", "size": "512x512"},
        {"n": 11},
        {"quality": "hd"},
        {"background": "transparent", "output_format": "jpeg"},
        {"output_compression": 50},
        {"partial_images": 4},
        {"prompt": "x" * 32_001},
    ],
)
async def test_what_openai_refuses_is_refused(client: httpx.AsyncClient, change: dict[str, Any]) -> None:
    body = {"model": "gpt-image-2", "prompt": "x", **change}
    assert (await client.post(IMAGES, json=body)).status_code == 400


async def test_a_stream_has_partial_pictures_and_one_completed(sdk: openai.AsyncOpenAI) -> None:
    stream = await sdk.images.generate(model="gpt-image-2", prompt="a mug", stream=True, partial_images=2)
    kinds = [event.type async for event in stream]
    assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]


async def test_edits_take_files_lists_and_a_mask(
    sdk: openai.AsyncOpenAI, client: httpx.AsyncClient, mug: bytes
) -> None:
    await sdk.images.edit(model="gpt-image-2", prompt="red", image=("m.png", mug), mask=("m.png", mug), n=2)
    await sdk.images.edit(model="gpt-image-2", prompt="red", image=[("a.png", mug), ("b.png", mug)])
    orders = [call["order"] for call in (await client.get("/_calls")).json()["calls"]]
    assert [(order["n"], order["references"]) for order in orders] == [(2, ["upload"]), (1, ["upload", "upload"])]


async def test_edits_stream_under_their_own_names(sdk: openai.AsyncOpenAI, mug: bytes) -> None:
    stream = await sdk.images.edit(model="gpt-image-2", prompt="red", image=("m.png", mug), stream=True)
    assert [event.type async for event in stream] == ["image_edit.completed"]


async def test_edits_also_come_in_json(client: httpx.AsyncClient) -> None:
    images = [{"image_url": "https://cdn.example/mug.png"}]
    good = await client.post(EDITS, json={"model": "gpt-image-2", "prompt": "red", "images": images})
    assert looks_base64(good.json()["data"][0]["b64_json"]) == ("PNG", (1024, 1024))
    both = [{"image_url": "https://cdn.example/mug.png", "file_id": "file_1"}]
    bad = await client.post(EDITS, json={"model": "gpt-image-2", "prompt": "red", "images": both})
    assert bad.status_code == 400


async def test_an_edit_needs_a_picture_and_a_fitting_mask(client: httpx.AsyncClient, mug: bytes) -> None:
    fields = {"model": "gpt-image-2", "prompt": "red"}
    hills = (await client.get("/samples/hills.jpeg")).content
    none = await client.post(EDITS, data=fields, files={"mask": ("m.png", mug)})
    unlike = await client.post(EDITS, data=fields, files={"image": ("m.png", mug), "mask": ("h.jpeg", hills)})
    text = await client.post(EDITS, data=fields, files={"image": ("m.png", b"no picture")})
    extra = await client.post(EDITS, data={**fields, "aspect_ratio": "1:1"}, files={"image": ("m.png", mug)})
    assert [answer.status_code for answer in (none, unlike, text, extra)] == [400] * 4


async def test_text_is_repeated_and_counted(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "hello big world"}]
    )
    assert answer.choices[0].message.content == "You said: hello big world"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (6, 5, 11)


async def test_a_text_stream_tells_usage_only_when_asked(client: httpx.AsyncClient) -> None:
    body: dict[str, Any] = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "hello big world"}],
        "stream": True,
    }
    plain = events(await client.post("/openai/v1/chat/completions", json=body))
    body["stream_options"] = {"include_usage": True}
    counted = events(await client.post("/openai/v1/chat/completions", json=body))
    assert all(chunk["choices"] and "usage" not in chunk for chunk in plain)
    said = [chunk["choices"][0]["delta"].get("content") or "" for chunk in plain]  # type: ignore[index]  # a list
    assert "".join(said) == "You said: hello big world"
    assert [chunk["usage"] is None for chunk in counted] == [True] * (len(counted) - 1) + [False]
    assert counted[-1]["choices"] == []


async def test_tools_are_called_and_lengths_are_kept(sdk: openai.AsyncOpenAI) -> None:
    asked: Any = [{"role": "user", "content": "where is it"}]
    called = await sdk.chat.completions.create(model="gpt-4o", messages=asked, tools=[TOOL])
    message = called.choices[0].message
    assert message.tool_calls is not None
    assert called.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls[0].model_dump()["function"] == {"name": "look_up", "arguments": '{"echo":"where is it"}'}
    short = await sdk.chat.completions.create(model="gpt-4o", messages=asked, max_completion_tokens=2)
    assert (short.choices[0].finish_reason, short.choices[0].message.content) == ("length", "You said:")


async def test_models_are_listed_and_unknown_ones_are_404(sdk: openai.AsyncOpenAI) -> None:
    names = {model.id async for model in sdk.models.list()}
    assert {"gpt-4o-mini", "gpt-image-2"} <= names
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        await sdk.chat.completions.create(model="gpt-9", messages=[{"role": "user", "content": "x"}])
