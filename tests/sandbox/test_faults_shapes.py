"""Faults of the stage `shape`: the document around the picture."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pytest

from app.sandbox.faults import CHAT_SHAPED, FAULTS
from app.sandbox.orders import PICTURE_VENDORS, VendorName
from tests.sandbox.support import HandClock, events, looks_base64
from tests.sandbox.visiting import ask, pictures_in

CHATS: Final[Mapping[str, Callable[[dict[str, Any]], Any]]] = {
    "content_blocks": lambda said: [part["type"] for part in said["content"]] == ["text", "image_url"],
    "output_image_blocks": lambda said: [part["type"] for part in said["content"]] == ["output_image"],
    "message_images": lambda said: said["content"] is None and said["images"][0]["image_url"]["url"],
    "two_markdown": lambda said: said["content"].count("![image](") == 2 and said["content"].endswith("?"),
    "fifty_markdown": lambda said: said["content"].count("![image ") == 50,
    "markdown": lambda said: said["content"].startswith("![image]("),
    "bare_uri": lambda said: said["content"].startswith(("http", "data:image/")) and " " not in said["content"],
    "url_with_text": lambda said: said["content"].startswith("Here is") and said["content"].endswith("(enjoy it)."),
    "thrice": lambda said: said["images"][0]["image_url"]["url"] in said["content"],
    "progress_then_image": lambda said: "50%" in said["content"] and "![image](" in said["content"],
}
GOOGLES: Final[Mapping[str, Callable[[dict[str, Any]], Any]]] = {
    "markdown_in_text": lambda answer: "![image](data:" in parts_of(answer)[0]["text"],
    "unmarked_draft": lambda answer: [part.get("thought") for part in parts_of(answer)] == [True, None, None, None],
    "finish_no_image": lambda answer: answer["candidates"][0]["finishReason"] == "NO_IMAGE",
    "prompt_blocked": lambda answer: answer["promptFeedback"]["blockReason"] and "candidates" not in answer,
}
EVERYWHERE: Final = {"empty_data", "text_only", "refusal", "wrong_model", "raw_base64_content"}


def parts_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = answer["candidates"][0]["content"]["parts"]
    return parts


def message_of(answer: dict[str, Any]) -> dict[str, Any]:
    choice = answer["choices"][0]
    message: dict[str, Any] = choice.get("message") or choice["delta"]
    return message


def test_every_fault_of_this_stage_has_a_check() -> None:
    named = {name for name, fault in FAULTS.items() if fault.stage == "shape"}
    assert named == CHATS.keys() | GOOGLES.keys() | EVERYWHERE


@pytest.mark.parametrize("name", CHATS)
async def test_a_chat_hides_its_picture_as_the_fault_says(client: httpx.AsyncClient, name: str) -> None:
    for vendor in sorted(CHAT_SHAPED):
        answer = (await ask(client, vendor, f"a cat [fault:{name}]")).json()
        assert CHATS[name](message_of(answer)), (vendor, str(answer)[:300])


async def test_raw_base64_is_in_three_places(client: httpx.AsyncClient) -> None:
    for vendor in sorted(CHAT_SHAPED):
        said = message_of((await ask(client, vendor, "[fault:raw_base64_content]")).json())
        assert said["content"] == said["image_b64_json"] == said["images"][0]["b64_json"]
        assert looks_base64(said["content"])[1] == (512, 512)


async def test_progress_comes_in_chunks_before_the_picture(client: httpx.AsyncClient) -> None:
    for vendor in sorted(CHAT_SHAPED):
        chunks: list[Any] = events(await ask(client, vendor, "[fault:progress_then_image]", stream=True))
        told = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
        assert sum("Generating" in text for text in told) == 2
        assert sum("![image](" in text for text in told) == 1


@pytest.mark.parametrize("name", GOOGLES)
async def test_google_spoils_its_answer_as_the_fault_says(client: httpx.AsyncClient, name: str) -> None:
    answer = (await ask(client, "google", f"a cat [fault:{name}]")).json()
    assert GOOGLES[name](answer), str(answer)[:300]


async def test_an_empty_document_has_no_picture(client: httpx.AsyncClient, clock: HandClock) -> None:
    for vendor in sorted(PICTURE_VENDORS):
        answer = await ask(client, vendor, "a cat [fault:empty_data]", clock=clock)
        assert answer.status_code == 200
        assert pictures_in(vendor, answer.json()) == [], vendor


@pytest.mark.parametrize("fault", ["text_only", "refusal"])
async def test_a_text_or_a_refusal_comes_where_the_vendor_writes_it(
    client: httpx.AsyncClient, clock: HandClock, fault: str
) -> None:
    for vendor in sorted(PICTURE_VENDORS):
        answer = await ask(client, vendor, f"a cat [fault:{fault}]", clock=clock)
        assert _is_told(vendor, fault, answer), (vendor, answer.text[:300])


def _is_told(vendor: VendorName, fault: str, answer: httpx.Response) -> bool:
    body = answer.json()
    if vendor == "uniall-tasks":
        moderated = body["data"]["error"]["type"] == "moderation"
        return body["data"]["status"] == "failed" and bool(moderated == (fault == "refusal"))
    if vendor in ("ccapi", "openai") and fault == "refusal":
        return answer.status_code == 400 and bool(body["error"]["code"] == "moderation_blocked")
    if vendor == "google" and fault == "refusal":
        return bool(body["candidates"][0]["finishReason"] == "IMAGE_SAFETY")
    said = "content policy" if fault == "refusal" else "I can help you"
    return answer.status_code == 200 and said in answer.text and "base64," not in answer.text


async def test_the_answer_can_name_another_model(client: httpx.AsyncClient) -> None:
    for vendor in sorted(FAULTS["wrong_model"].vendors):
        right = (await ask(client, vendor, "a cat")).json()
        other = (await ask(client, vendor, "a cat [fault:wrong_model]")).json()
        field = "modelVersion" if vendor == "google" else "model"
        assert right[field] != other[field]
