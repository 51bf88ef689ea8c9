"""InfinityBlue's page and ccapi's page, by their own examples."""

import re
from typing import Any

import httpx
import pytest

from tests.sandbox.support import fetched, looks_base64

CHAT = "/infinityblue/v1/chat/completions"
IMAGES = "/ccapi//v1/images/generations"
CHAT_EXAMPLE: dict[str, Any] = {
    "model": "nanobanana_pro",
    "stream": False,
    "messages": [{"role": "user", "content": "Draw a cat sitting on a rooftop under moonlight"}],
    "extra_body": {"google": {"image_config": {"aspect_ratio": "16:9", "image_size": "2K"}}},
}
IMAGES_EXAMPLE = {"model": "nano-banana-2-2k", "prompt": "A cute cat sitting on a windowsill, watercolor style"}
PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)


async def test_the_chat_example_is_a_markdown_data_uri_in_jpeg(client: httpx.AsyncClient) -> None:
    answer = (await client.post(CHAT, json=CHAT_EXAMPLE)).json()
    assert set(answer) == {"id", "model", "object", "created", "choices", "usage"}
    (choice,) = answer["choices"]
    assert (choice["index"], choice["message"]["role"], choice["finish_reason"]) == (0, "assistant", "stop")
    shown = re.fullmatch(r"!\[image\]\(data:image/jpeg;base64,([^)]+)\)", choice["message"]["content"])
    assert shown is not None
    assert looks_base64(shown[1]) == ("JPEG", (2752, 1536))
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


@pytest.mark.parametrize(
    "config", [{"aspectRatio": "16:9"}, {"imageSize": "2K"}, {"aspect_ratio": "1:8"}, {"image_size": "2k"}]
)
async def test_camel_case_and_unknown_values_are_refused(client: httpx.AsyncClient, config: dict[str, str]) -> None:
    body = {**CHAT_EXAMPLE, "extra_body": {"google": {"image_config": config}}}
    assert (await client.post(CHAT, json=body)).status_code == 400


async def test_the_camel_case_object_itself_is_refused(client: httpx.AsyncClient) -> None:
    body = {**CHAT_EXAMPLE, "extra_body": {"google": {"imageConfig": {}}}}
    assert (await client.post(CHAT, json=body)).status_code == 400


async def test_bearer_is_required(client: httpx.AsyncClient) -> None:
    assert (await client.post(CHAT, json=CHAT_EXAMPLE, headers={"authorization": ""})).status_code == 401


async def test_the_images_example_is_a_url_with_a_token_and_boilerplate(client: httpx.AsyncClient) -> None:
    answer = (await client.post(IMAGES, json=IMAGES_EXAMPLE)).json()
    (item,) = answer["data"]
    assert answer == {"created": 1_790_000_000, "data": [item]}
    assert item["revised_prompt"] == f"According my description, output image: {IMAGES_EXAMPLE['prompt']}"
    assert re.search(r"\.png\?token=[^&]+$", item["url"])
    assert await fetched(client, item["url"]) == ("PNG", (2048, 2048))
    assert (await client.get(item["url"].partition("?")[0])).status_code == 403


async def test_a_single_slash_is_another_path(client: httpx.AsyncClient) -> None:
    assert (await client.post("/ccapi/v1/images/generations", json=IMAGES_EXAMPLE)).status_code == 404


@pytest.mark.parametrize(
    ("model", "ratio", "pixels"),
    [
        ("nano-banana", "16:9", (1344, 768)),
        ("nano-banana-pro-1k", "21:9", (1584, 672)),
        ("nano-banana-2-0.5k", "1:8", (192, 1536)),
        ("nano-banana-2-1k", "4:1", (2048, 512)),
    ],
)
async def test_the_model_and_the_ratio_decide_the_pixels(
    client: httpx.AsyncClient, model: str, ratio: str, pixels: tuple[int, int]
) -> None:
    answer = (await client.post(IMAGES, json={"model": model, "prompt": "x", "aspect_ratio": ratio})).json()
    assert await fetched(client, answer["data"][0]["url"]) == ("PNG", pixels)


async def test_ultra_ratios_belong_to_the_second_generation(client: httpx.AsyncClient) -> None:
    body = {"model": "nano-banana-pro-1k", "prompt": "x", "aspect_ratio": "1:8"}
    assert (await client.post(IMAGES, json=body)).status_code == 400


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("https://example.com/a.png", ["example.com"]),
        (["https://example.com/a.png", PIXEL], ["example.com", "inline"]),
    ],
)
async def test_image_is_a_string_or_an_array(client: httpx.AsyncClient, image: object, labels: list[str]) -> None:
    assert (await client.post(IMAGES, json={**IMAGES_EXAMPLE, "image": image})).status_code == 200
    assert (await client.get("/_calls")).json()["calls"][0]["order"]["references"] == labels


async def test_raw_base64_is_not_converted(client: httpx.AsyncClient) -> None:
    raw = PIXEL.partition(",")[2]
    assert (await client.post(IMAGES, json={**IMAGES_EXAMPLE, "image": raw})).status_code == 400


async def test_a_reference_changes_the_drawing(client: httpx.AsyncClient) -> None:
    base = str(client.base_url).rstrip("/")
    plain = (await client.post(IMAGES, json=IMAGES_EXAMPLE)).json()["data"][0]["url"]
    edited = await client.post(IMAGES, json={**IMAGES_EXAMPLE, "image": f"{base}/samples/mug.png"})
    assert (await client.get(plain)).content != (await client.get(edited.json()["data"][0]["url"])).content
