"""Bodies that are small to send and were long to read: each cost is bounded by a count (B18, B20, B25).

One of 19 MB held the event loop for 14 s, one of 0.9 MB for more than nine.
"""

from typing import Any

import pytest

from app.core.catalog import NAME_CHARS_MAX, Model, Resolved, Target, Vendor, match_key
from app.core.errors import InvalidRequest
from app.core.media import Blobs
from app.core.pricing import Price
from app.core.settle import WARNINGS_MAX, settle
from app.surfaces import gemini, openai_chat, openai_images
from app.wire.picture_text import CHARS_MAX, PLACES_MAX, marks
from app.wire.references import EARLIER_MAX, TEXT_CHARS_MAX
from app.wire.said import KEYS_MAX

LONG = "a " * (TEXT_CHARS_MAX // 2)


def chat(*contents: str) -> Any:
    messages = [{"role": "user", "content": content} for content in contents]
    return openai_chat.parse_image({"model": "m", "messages": messages}, Blobs())


def google(*contents: Any) -> Any:
    return gemini.parse("m", {"contents": [{"parts": [part]} for part in contents]}, Blobs(), stream=False)


def test_as_much_text_as_is_looked_through_is_taken() -> None:
    assert chat(LONG).prompt == LONG
    assert google({"text": LONG}).prompt == LONG
    assert openai_images.parse({"model": "m", "prompt": LONG}, Blobs()).prompt == LONG


@pytest.mark.parametrize(
    ("parse", "param"),
    [
        (lambda: chat(LONG + "a"), "messages[0].content"),
        (lambda: chat("a", LONG), "messages[1].content"),
        (lambda: google({"text": "a"}, {"text": LONG}), "contents[1].parts[0].text"),
        (lambda: openai_images.parse({"model": "m", "prompt": LONG + "a"}, Blobs()), "prompt"),
    ],
    ids=["one message", "two messages", "contents", "prompt"],
)
def test_more_text_is_refused_at_its_place_whether_in_one_or_in_many(parse: Any, param: str) -> None:
    with pytest.raises(InvalidRequest, match=f"At most {TEXT_CHARS_MAX} characters") as refused:
        parse()
    assert refused.value.param == param


@pytest.mark.parametrize("text", ["http://a ", "![](b) ", "data:a;base64,xxxx ", "aaaaaaaaaaaaaaaaaaaa "])
def test_so_many_places_of_a_text_are_looked_at_and_no_more(text: str) -> None:
    asked: list[str] = []

    def is_picture(run: str) -> bool:
        asked.append(run)
        return len(run) < 100

    assert len(marks("x " + text * (PLACES_MAX + 1), is_picture)) == PLACES_MAX
    assert len(asked) <= PLACES_MAX + 1, "the text as a whole is the one more"


@pytest.mark.parametrize("picture", ["![](https://a.example/x)", "a" * 40])
def test_f72_a_vendors_text_is_looked_at_up_to_a_million_characters(picture: str) -> None:
    assert len(marks(". " * (CHARS_MAX // 2 - 100) + picture, lambda run: run == picture)) == 1
    assert marks(". " * (CHARS_MAX // 2) + picture, lambda run: run == picture) == []


def test_pictures_beside_an_answer_are_as_many_as_a_conversation_may_have() -> None:
    images = [{"image_url": {"url": "https://a.example/x.png"}}] * (EARLIER_MAX + 1)

    def parse(listed: list[Any]) -> Any:
        answer = {"role": "assistant", "content": "", "images": listed}
        return openai_chat.parse_image({"model": "m", "messages": [answer, {"role": "user", "content": "x"}]}, Blobs())

    with pytest.raises(InvalidRequest) as refused:
        parse(images)
    assert refused.value.param == "messages[0].images"
    assert len(parse(images[1:]).inputs) == 1


MANY = {f"key{number}": 1 for number in range(KEYS_MAX + 1)}


@pytest.mark.parametrize(
    "parse",
    [
        lambda many: openai_images.parse({"model": "m", "prompt": "a cat", **many}, Blobs()),
        lambda many: openai_images.parse({"model": "m", "prompt": "a cat", "google": many}, Blobs()),
        lambda many: openai_images.parse({"model": "m", "image": {"url": "https://a.example/x", **many}}, Blobs()),
        lambda many: google({"text": "a cat", **many}),
    ],
    ids=["body", "scope", "picture", "part"],
)
def test_an_object_of_more_keys_than_there_could_be_is_refused(parse: Any) -> None:
    with pytest.raises(InvalidRequest, match=f"At most {KEYS_MAX} keys"):
        parse(MANY)
    few = dict(list(MANY.items())[: KEYS_MAX - 2])
    assert parse(few).warnings


def test_what_a_task_keeps_of_warnings_is_bounded() -> None:
    request = google(*[{"text": "a cat", "glow": 1}] * (WARNINGS_MAX + 5))
    vendor = Vendor("v", "chat_images", "https://v.example/v1", ("k",))
    model = Model("m", "image", Price(), (Target(vendor, "m"),))
    warnings = settle(request, Resolved(model, by_family=False)).warnings
    assert len(warnings) == WARNINGS_MAX + 1
    assert warnings[-1].message.startswith("5 more")


def test_b25_a_name_longer_than_any_model_has_is_not_looked_through() -> None:
    assert match_key("a" + "-" * (NAME_CHARS_MAX - 1)) == match_key("A")
    assert match_key("a" + "-" * NAME_CHARS_MAX) != match_key("A")
