"""Uniall's two pages, by their own examples."""

import re
from typing import Any

import httpx
import pytest

from tests.sandbox.support import HandClock, events, fetched

CHAT = "/uniall/v1/chat/completions"
TASKS = "/uniall/v1/images/tasks"
TEXT_EXAMPLE: dict[str, Any] = {
    "model": "NanoBananaPro-1K",
    "messages": [{"role": "user", "content": "a cute cat"}],
    "extra_body": {"google": {"image_config": {"aspect_ratio": "16:9"}}},
    "stream": True,
}
PICTURE_EXAMPLE: dict[str, Any] = {
    **TEXT_EXAMPLE,
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": ", generation, "},
                {"type": "image_url", "image_url": {"url": "https://example.com/xxxxxxx.jpg"}},
            ],
        }
    ],
}
TASK_EXAMPLE: dict[str, Any] = {
    "model": "NanoBanana2-0.5K",
    "task_type": "text2image",
    "prompt": "A small red cube on a clean white desk, minimal product photo, soft daylight",
    "aspect_ratio": "1:1",
    "output_format": "png",
    "n": 1,
    "response_format": "url",
}
EDIT_TASK_EXAMPLE: dict[str, Any] = {
    "model": "NanoBanana2-0.5K",
    "task_type": "image2image",
    "prompt": "Turn the reference image into a clean product render",
    "image": "https://example.com/input.png",
    "aspect_ratio": "16:9",
    "output_format": "jpeg",
    "n": 1,
    "response_format": "url",
}


async def test_the_chat_example_is_answered_with_one_chunk_that_has_everything(client: httpx.AsyncClient) -> None:
    answer = await client.post(CHAT, json=TEXT_EXAMPLE)
    (chunk,) = events(answer)
    url = chunk["media"]["outputs"][0]  # type: ignore[index]  # the shape is what is being tested
    assert chunk == {
        "id": chunk["id"],
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "NanoBananaPro-1K",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": url}, "finish_reason": "stop"}],
        "media": {"outputs": [url]},
    }
    assert re.fullmatch(r"chatcmpl_[0-9a-f]{32}", str(chunk["id"]))
    assert answer.content.endswith(b"data: [DONE]\n\n")
    assert await fetched(client, url) == ("JPEG", (1376, 768))


async def test_the_chat_example_with_a_picture_reaches_the_drawing(client: httpx.AsyncClient) -> None:
    assert (await client.post(CHAT, json=PICTURE_EXAMPLE)).status_code == 200
    (call,) = (await client.get("/_calls")).json()["calls"]
    assert call["order"]["references"] == ["example.com"]


async def test_without_stream_the_same_object_is_plain_json(client: httpx.AsyncClient) -> None:
    answer = (await client.post(CHAT, json={**TEXT_EXAMPLE, "stream": False})).json()
    assert answer["object"] == "chat.completion.chunk"
    assert answer["choices"][0]["delta"]["content"] == answer["media"]["outputs"][0]


@pytest.mark.parametrize(("picture_format", "found"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
async def test_the_dashed_keys_of_the_table_are_read(
    client: httpx.AsyncClient, picture_format: str, found: str
) -> None:
    body = {
        "model": "NanoBananaPro-2K",
        "messages": [{"role": "user", "content": "a cat"}],
        "--aspect_ratio": "3:4",
        "--output_format": picture_format,
    }
    answer = (await client.post(CHAT, json=body)).json()
    assert await fetched(client, answer["media"]["outputs"][0]) == (found, (1792, 2400))


async def test_a_task_goes_from_queued_to_one_result_url(client: httpx.AsyncClient, clock: HandClock) -> None:
    made = (await client.post(TASKS, json=TASK_EXAMPLE)).json()
    task_id = made["data"]["task_id"]
    assert (made["code"], made["data"]["status"], made["data"]["progress"]) == ("success", "queued", "0%")
    clock.time += 5
    working = (await client.get(f"{TASKS}/{task_id}")).json()["data"]
    assert (working["status"], working["progress"], working["result_url"]) == ("in_progress", "40%", None)
    clock.time += 5
    done = (await client.get(f"{TASKS}/{task_id}")).json()
    url = done["data"]["result_url"]
    assert done == {
        "code": "success",
        "message": "",
        "data": {
            "task_id": task_id,
            "status": "succeeded",
            "progress": "100%",
            "result_url": url,
            "metadata": {"task_type": "text2image", "result_count": 1},
            "error": None,
        },
    }
    assert await fetched(client, url) == ("PNG", (512, 512))


async def test_the_edit_example_is_a_jpeg_of_its_ratio(client: httpx.AsyncClient, clock: HandClock) -> None:
    made = (await client.post(TASKS, json=EDIT_TASK_EXAMPLE)).json()
    clock.time += 10
    done = (await client.get(f"{TASKS}/{made['data']['task_id']}")).json()["data"]
    assert done["metadata"]["task_type"] == "image2image"
    assert await fetched(client, done["result_url"]) == ("JPEG", (688, 384))


async def test_several_pictures_still_have_one_result_url(client: httpx.AsyncClient, clock: HandClock) -> None:
    made = (await client.post(TASKS, json={**TASK_EXAMPLE, "n": 3})).json()
    clock.time += 10
    done = (await client.get(f"{TASKS}/{made['data']['task_id']}")).json()["data"]
    assert isinstance(done["result_url"], str)
    assert done["metadata"]["result_count"] == 3


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model": "NanoBananaPro-9K"}, 404),
        ({"images": ["https://example.com/a.png"], "image": "https://example.com/b.png"}, 400),
        ({"size": "1024x1024", "aspect_ratio": None}, 400),
        ({"output_format": "webp"}, 400),
        ({"aspect_ratio": "1:8"}, 400),
        ({"n": 0}, 400),
        ({"prompt": ""}, 400),
    ],
)
async def test_the_common_errors_of_the_page_are_refused(
    client: httpx.AsyncClient, change: dict[str, Any], status: int
) -> None:
    answer = await client.post(TASKS, json={**TASK_EXAMPLE, **change})
    assert answer.status_code == status
    assert answer.json()["data"] is None
    assert (await client.get("/_calls")).json()["count"] == 0


async def test_webp_is_taken_by_the_first_generation_only(client: httpx.AsyncClient) -> None:
    body = {**TASK_EXAMPLE, "model": "NanoBanana", "output_format": "webp"}
    assert (await client.post(TASKS, json=body)).status_code == 200


async def test_polling_before_the_task_exists_is_404(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"{TASKS}/task_xxx")
    assert (answer.status_code, answer.json()["code"]) == (404, "task_not_exist")


@pytest.mark.parametrize("headers", [{"authorization": ""}, {"authorization": "Bearer sk-other"}])
async def test_a_missing_or_foreign_key_is_401(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    chat = await client.post(CHAT, json=TEXT_EXAMPLE, headers=headers)
    task = await client.post(TASKS, json=TASK_EXAMPLE, headers=headers)
    assert (chat.status_code, task.status_code) == (401, 401)
    assert chat.json()["error"]["message"]
    assert task.json()["data"] is None
