"""Where pictures stand in a text, and where they do not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.image import InlineImage, RemoteImage
from app.core.media import Blob, Blobs
from app.wire.pictures import Gallery, drafts_last

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\nsome picture").decode()
PLACEHOLDER = "blob:5f2a9c01d4e8b367:0"


def sources(text: str, *, links: bool = True) -> tuple[list[str], str]:
    """The URLs found (`inline` for bytes) and the text that is left."""
    gallery = Gallery(Blobs({PLACEHOLDER: Blob.of(b"\x89PNG\r\n\x1a\nlifted")}))
    rest = gallery.add_text(text, links=links)
    return [one.url if isinstance(one, RemoteImage) else "inline" for one in gallery.pictures], rest


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://c.example/a?token=1", ["https://c.example/a?token=1"]),
        ("  https://c.example/a.png\n", ["https://c.example/a.png"]),
        ("https://c.example/a.png.", ["https://c.example/a.png"]),
        ("https://c.example/1.png\nhttps://c.example/2.png", ["https://c.example/1.png", "https://c.example/2.png"]),
        ("https://c.example/1.png,https://c.example/2.png", ["https://c.example/1.png", "https://c.example/2.png"]),
        ("Done: **https://c.example/a.png**", ["https://c.example/a.png"]),
        ("see (https://c.example/a(1).png)", ["https://c.example/a(1).png"]),
        ('<img src="https://c.example/a.png">', ["https://c.example/a.png"]),
        ("![](<https://c.example/a b.png>)", ["https://c.example/a b.png"]),
        (
            "![a](https://c.example/1.png)![b](https://c.example/2.png)",
            ["https://c.example/1.png", "https://c.example/2.png"],
        ),
        ("![a](https://c.example/1.png)图片(见下)", ["https://c.example/1.png"]),
        ("![a [b] c](https://c.example/1.png)", ["https://c.example/1.png"]),
        (f"data:image/png;base64,{PNG}", ["inline"]),
        (f"here: data:image/png;base64,{PNG} enjoy", ["inline"]),
        (PNG, ["inline"]),
        (f"raw: {PNG}\nend", ["inline"]),
        (PLACEHOLDER, ["inline"]),
        (f"raw {PLACEHOLDER} end", ["inline"]),
        ("just words, and a longbutinnocentwordwithletters", []),
        ("![alt](not closed", []),
        ("data:text/plain,hello", []),
        ("", []),
    ],
)
def test_every_spelling_of_a_picture_is_found(text: str, expected: list[str]) -> None:
    assert sources(text)[0] == expected


def test_a_link_is_a_picture_only_when_nothing_better_is_there() -> None:
    link = "https://vendor.example/view/1"
    assert sources(f"Your image is ready at {link} today")[0] == [link]
    assert sources(f"![a](https://c.example/1.png) or see {link} today") == (
        ["https://c.example/1.png"],
        f"or see {link} today",
    )
    assert sources(f"We refuse, see {link} today", links=False)[0] == []


def test_a_line_that_is_a_url_wins_over_a_url_in_a_sentence() -> None:
    found, rest = sources("Terms are at https://vendor.example/terms for you.\nImage: https://c.example/o/1?t=2")
    assert found == ["https://c.example/o/1?t=2"]
    assert rest == "Terms are at https://vendor.example/terms for you.\nImage:"


def test_text_around_pictures_is_kept() -> None:
    found, rest = sources("One:\n\n![a](https://c.example/1.png)\n\n\nTwo.")
    assert (found, rest) == (["https://c.example/1.png"], "One:\n\nTwo.")


def test_a_text_that_shows_bytes_nobody_can_read_is_broken() -> None:
    gallery = Gallery(Blobs())
    gallery.add_text("![a](data:image/png;base64,%%%)")
    assert gallery.broken
    assert gallery.pictures == ()


def test_fifty_pictures_are_fifty() -> None:
    text = "\n".join(f"![{index}](https://c.example/{index}.png)" for index in range(50))
    assert sources(text) == ([f"https://c.example/{index}.png" for index in range(50)], "")


def test_the_same_bytes_under_another_spelling_count_once() -> None:
    gallery = Gallery(Blobs())
    assert gallery.add([{"b64_json": PNG}, f"data:image/png;base64,{PNG}", {"image_url": {"url": PNG.rstrip("=")}}])
    assert len(gallery.pictures) == 1


def test_nesting_without_end_is_not_followed() -> None:
    value: object = PNG
    for _ in range(2_000):
        value = {"image": value}
    assert not Gallery(Blobs()).add(value)


def test_drafts_go_last_and_equals_keep_their_order() -> None:
    draft, first, second = (InlineImage(Blob.of(bytes(size))) for size in (10, 100, 101))
    assert drafts_last([draft, first, second]) == (first, second, draft)


@given(st.text(alphabet="![](){}<>\"'dataimgepng:;b64,/htps.exl \n図)。A1=+-_%"))
def test_no_text_breaks_the_scanner_and_nothing_is_found_twice(text: str) -> None:
    found, rest = sources(text)
    urls = [one for one in found if one != "inline"]
    assert len(set(urls)) == len(urls)
    assert len(rest) <= len(text)
