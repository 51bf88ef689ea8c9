"""A conversation as an order for a picture: prompt, history, and the pictures of every turn as references."""

from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.core.image import ImageInput, Turn
from app.core.media import Blob, Blobs
from app.wire.conversation import MESSAGES_MAX, PARTS_MAX, Conversation, read_conversation
from app.wire.references import References
from tests.surfaces.answers import PNG, PNG_BASE64

URL = "https://gw.example/v1/media/med_1.png?exp=1&sig=s"
DATA_URI = f"data:image/png;base64,{PNG_BASE64}"


def read(*messages: Any, blobs: Blobs | None = None) -> tuple[Conversation, tuple[ImageInput, ...]]:
    references = References(blobs or Blobs())
    conversation = read_conversation(list(messages), references)
    return conversation, references.inputs


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def picture_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def test_the_last_user_message_is_the_prompt_and_the_rest_is_history() -> None:
    conversation, inputs = read(
        {"role": "developer", "content": "Be brief."},
        {"role": "system", "content": "No text."},
        user("a cat"),
        assistant("Here it is."),
        user([part("now"), part("in blue")]),
    )

    assert conversation.prompt == "now\nin blue"
    assert conversation.history == (
        Turn("system", "Be brief."),
        Turn("system", "No text."),
        Turn("user", "a cat"),
        Turn("assistant", "Here it is."),
    )
    assert conversation.warnings == ()
    assert inputs == ()


def test_pictures_of_every_turn_are_references_in_the_order_they_came() -> None:
    conversation, inputs = read(
        user([picture_part("https://a.example/1.png"), part("a cat")]),
        assistant(f"![image]({URL})"),
        user([part("blue"), {"type": "image_url", "image_url": DATA_URI}]),
    )

    assert [(picture.url or picture.mime, picture.param) for picture in inputs] == [
        ("https://a.example/1.png", "messages[0].content[0].image_url.url"),
        (URL, "messages[1].content"),
        ("image/png", "messages[2].content[1].image_url"),
    ]
    assert conversation.history == (Turn("user", "a cat"),)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"![image]({URL})", ""),
        (f"Here it is.\n\n![image]({URL})", "Here it is."),
        (URL, ""),
        (f"![image]({DATA_URI})", ""),
        (f"Look:\n{DATA_URI}", "Look:"),
    ],
)
def test_our_own_answers_come_back_as_references_in_every_style(content: str, text: str) -> None:
    conversation, inputs = read(user("a cat"), assistant(content), user("blue"))

    assert len(inputs) == 1
    assert inputs[0].url == URL or inputs[0].mime == "image/png"
    assert [turn.text for turn in conversation.history[1:]] == ([text] if text else [])


def test_a_lifted_picture_in_markdown_is_found_again() -> None:
    lifted = Blob.of(PNG)

    _, (found,) = read(
        user("a cat"),
        assistant("![image](data:image/png;base64,blob:n:0)"),
        user("blue"),
        blobs=Blobs({"blob:n:0": lifted}),
    )

    assert found.blob is lifted


def test_a_picture_that_an_answer_shows_twice_is_one_reference() -> None:
    """Content and `images` carry the same picture (contract: chat answers)."""
    images = [{"type": "image_url", "index": 0, "image_url": {"url": url}} for url in (URL, "https://a.example/2")]

    _, inputs = read(user("a cat"), assistant(f"![image]({URL})", images=images), user("blue"))

    assert [picture.url for picture in inputs] == [URL, "https://a.example/2"]


def test_a_picture_in_the_style_data_and_its_link_beside_it_are_one_reference() -> None:
    images = [{"type": "image_url", "index": 0, "image_url": {"url": url}} for url in (URL, "https://a.example/2")]

    _, inputs = read(user("a cat"), assistant(f"![image]({DATA_URI})", images=images), user("blue"))

    assert [picture.url or picture.mime for picture in inputs] == ["image/png", "https://a.example/2"]


@pytest.mark.parametrize(
    "text", ["see https://a.example/x.png", "https://a.example/x.png", "![x](./local.png)", "a ![b] (c)"]
)
def test_a_users_links_stay_in_the_prompt(text: str) -> None:
    conversation, inputs = read(user(text))

    assert conversation.prompt == text
    assert inputs == ()


def test_tools_and_what_comes_after_the_prompt_are_reported_as_ignored() -> None:
    conversation, _ = read({"role": "tool", "tool_call_id": "1", "content": "42"}, user("a cat"), assistant("Sure: "))

    assert [(item.code, item.param) for item in conversation.warnings] == [
        ("ignored", "messages[0]"),
        ("ignored", "messages[2]"),
    ]


def test_a_turn_that_only_called_tools_says_nothing() -> None:
    conversation, _ = read(assistant(None, tool_calls=[{}]), user("a cat"))

    assert conversation.history == ()


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        [assistant("hi")],
        [user("")],
        [user("  ")],
        [user("\u200b\u2060")],
        [user([])],
        [user([picture_part(URL)])],
        [user(f"![]({URL})")],
    ],
)
def test_a_conversation_without_a_prompt_is_refused(messages: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_conversation(messages, References(Blobs()))

    assert (refused.value.code, refused.value.param) == ("missing_required_parameter", "messages")


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ("hello", "messages"),
        ({}, "messages"),
        ([user("x")] * (MESSAGES_MAX + 1), "messages"),
        (["x", user("y")], "messages[0]"),
        ([{"content": "x"}, user("y")], "messages[0].role"),
        ([{"role": ["user"], "content": "x"}, user("y")], "messages[0].role"),
        ([{"role": "robot", "content": "x"}, user("y")], "messages[0].role"),
        ([user(5)], "messages[0].content"),
        ([user(None)], "messages[0].content"),
        ([user([part("x")] * (PARTS_MAX + 1))], f"messages[0].content[{PARTS_MAX}]"),
        ([user(["x"])], "messages[0].content[0]"),
        ([user([{"type": "input_audio", "input_audio": {}}])], "messages[0].content[0]"),
        ([user([picture_part("x.png"), part("y")])], "messages[0].content[0].image_url.url"),
        ([user([picture_part(URL)] * 17 + [part("y")])], "messages[0].content[16].image_url.url"),
    ],
)
def test_a_message_that_cannot_be_understood_is_refused_at_its_place(messages: Any, param: str) -> None:
    """B20, B36."""
    with pytest.raises(InvalidRequest) as refused:
        read_conversation(messages, References(Blobs()))

    assert refused.value.param == param
