"""Conversations with more pictures than a model takes: the newest are used, and what was left out is told."""

from typing import Any

import pytest

from app.core.catalog import Model, Resolved, Target, Vendor
from app.core.errors import InvalidRequest
from app.core.image import ImageRequest
from app.core.media import Blobs
from app.core.pricing import Price
from app.core.settle import settle
from app.surfaces import gemini, openai_chat

VENDOR = Vendor("v", "chat_images", "https://v.example/v1", ("k",))


def settled(request: ImageRequest, *, max_images: int) -> ImageRequest:
    model = Model("m", "image", Price(), (Target(VENDOR, "m"),), max_images=max_images)
    return settle(request, Resolved(model, by_family=False))


def url(number: int) -> str:
    return f"https://pictures.example/{number}.png"


def chat(earlier: int, now: int) -> ImageRequest:
    """A conversation whose turns have a picture each, and whose prompt has `now`."""
    turns: list[dict[str, Any]] = []
    for number in range(earlier):
        role = "assistant" if number % 2 else "user"
        content: Any = f"![image]({url(number)})" if number % 2 else [_part(number), {"type": "text", "text": "a cat"}]
        turns.append({"role": role, "content": content})
    prompt = [{"type": "text", "text": "in blue"}, *(_part(earlier + number) for number in range(now))]
    body = {"model": "m", "messages": [*turns, {"role": "user", "content": prompt}]}
    return openai_chat.parse_image(body, Blobs())


def contents(earlier: int, now: int) -> ImageRequest:
    """The same as a Gemini client keeps it."""
    turns = [
        {"role": ("user", "model")[number % 2], "parts": [{"text": "a cat"}, _file(number)]}
        for number in range(earlier)
    ]
    prompt = {"role": "user", "parts": [{"text": "in blue"}, *(_file(earlier + number) for number in range(now))]}
    return gemini.parse("m", {"contents": [*turns, prompt]}, Blobs(), stream=False)


def _part(number: int) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url(number)}}


def _file(number: int) -> dict[str, Any]:
    return {"fileData": {"fileUri": url(number)}}


@pytest.mark.parametrize("surface", [chat, contents])
@pytest.mark.parametrize(
    ("earlier", "now", "max_images", "kept"),
    [
        (3, 1, 14, [0, 1, 2, 3]),
        (20, 1, 14, list(range(7, 21))),
        (20, 16, 16, list(range(20, 36))),
        (3, 2, 3, [2, 3, 4]),
        (3, 0, 0, []),
        (256, 0, 1, [255]),
    ],
)
def test_the_newest_pictures_are_kept_and_the_prompts_before_all(
    surface: Any, earlier: int, now: int, max_images: int, kept: list[int]
) -> None:
    request = settled(surface(earlier, now), max_images=max_images)
    assert [picture.url for picture in request.inputs] == [url(number) for number in kept]
    left_out = earlier + now - len(kept)
    told = [(warning.code, warning.param) for warning in request.warnings]
    assert told == [("ignored", "messages" if surface is chat else "contents")] * bool(left_out)
    assert all(f"{left_out} of {earlier + now} pictures" in warning.message for warning in request.warnings)


@pytest.mark.parametrize("surface", [chat, contents])
def test_pictures_of_the_prompt_are_never_left_out_but_refused(surface: Any) -> None:
    with pytest.raises(InvalidRequest, match="at most 3"):
        settled(surface(2, 4), max_images=3)
    with pytest.raises(InvalidRequest, match="At most 16"):
        surface(0, 17)


@pytest.mark.parametrize("surface", [chat, contents])
def test_a_conversation_has_an_end_too(surface: Any) -> None:
    with pytest.raises(InvalidRequest, match="At most 256 reference images are allowed in earlier turns"):
        surface(257, 1)


def test_what_comes_after_the_prompt_is_told_and_brings_no_pictures() -> None:
    body = {"contents": [{"role": "user", "parts": [{"text": "a cat"}]}, {"role": "model", "parts": [_file(1)]}]}
    request = gemini.parse("m", body, Blobs(), stream=False)
    assert request.inputs == ()
    assert [warning.param for warning in request.warnings] == ["contents[1]"]


def test_a_system_content_is_no_prompt() -> None:
    with pytest.raises(InvalidRequest, match="user content"):
        gemini.parse("m", {"contents": [{"role": "system", "parts": [{"text": "be brief"}]}]}, Blobs(), stream=False)
