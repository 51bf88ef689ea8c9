"""Faults of the stages `picture`, `base64` and `link`, at every vendor of pictures."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pytest

from app.core.media import sniff
from app.sandbox.faults import FAULTS
from app.sandbox.orders import PICTURE_VENDORS, VendorName
from tests.sandbox.support import HandClock, looks
from tests.sandbox.visiting import Shown, ask, bytes_of, pictures_in

ONLY_TASKS_SHOW_ONE: Final[VendorName] = "uniall-tasks"


async def shown_under(client: httpx.AsyncClient, clock: HandClock, vendor: VendorName, fault: str) -> list[Shown]:
    answer = await ask(client, vendor, f"a cat [fault:{fault}]", clock=clock)
    assert answer.status_code == 200, answer.text
    return pictures_in(vendor, answer.json())


PICTURES: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "small_picture": lambda data: looks(data)[1] == (8, 8),
    "wrong_size": lambda data: looks(data)[1] == (640, 640),
    "svg_picture": lambda data: sniff(data[:64]) == "image/svg+xml" and b"<script>" in data,
    "html_picture": lambda data: data.startswith(b"<!doctype html>"),
    "truncated_picture": lambda data: sniff(data[:64]) and data[-8:-4] != b"IEND" and data[-2:] != b"\xff\xd9",
    "empty_picture": lambda data: data == b"",
}


@pytest.mark.parametrize("name", PICTURES)
async def test_the_picture_is_spoiled_as_the_fault_says(client: httpx.AsyncClient, clock: HandClock, name: str) -> None:
    for vendor in sorted(PICTURE_VENDORS):
        shown = await shown_under(client, clock, vendor, name)
        assert PICTURES[name](await bytes_of(client, shown[0])), vendor


async def test_the_bytes_are_of_another_format_than_declared(client: httpx.AsyncClient, clock: HandClock) -> None:
    for vendor in sorted(PICTURE_VENDORS):
        shown = await shown_under(client, clock, vendor, "wrong_mime")
        declared = (await client.get(f"/_calls?vendor={vendor}")).json()["calls"][-1]["order"]["format"]
        assert sniff(await bytes_of(client, shown[0])) == {"png": "image/jpeg", "jpeg": "image/png"}[declared]


async def test_there_can_be_one_picture_too_many_or_too_few(client: httpx.AsyncClient, clock: HandClock) -> None:
    for vendor in sorted(PICTURE_VENDORS - {ONLY_TASKS_SHOW_ONE}):
        asked = 2 if vendor == "openai" else 1
        assert len(await shown_under(client, clock, vendor, "more_than_n")) == asked + 1
        assert len(await shown_under(client, clock, vendor, "fewer_than_n")) == 1
    done = await ask(client, ONLY_TASKS_SHOW_ONE, "[fault:more_than_n]", clock=clock)
    assert done.json()["data"]["metadata"]["result_count"] == 2


BASE64: Final[Mapping[str, Callable[[str], Any]]] = {
    "as_base64": lambda text: text.isascii() and "\n" not in text,
    "bad_base64": lambda text: text.startswith("%%%"),
    "base64_newlines": lambda text: all(len(line) <= 76 for line in text.split("\n")) and "\n" in text,
    "base64_urlsafe": lambda text: not set(text) & set("+/") and set(text) & set("-_"),
    "base64_nopad": lambda text: not text.endswith("="),
    "data_prefix_in_b64": lambda text: text.startswith("data:image/") and text.count("data:") == 1,
    "double_data_prefix": lambda text: text.count("data:image/") == 2,
}


@pytest.mark.parametrize("name", BASE64)
async def test_the_base64_is_spoiled_as_the_fault_says(client: httpx.AsyncClient, clock: HandClock, name: str) -> None:
    for vendor in sorted(PICTURE_VENDORS):
        (shown, *_) = await shown_under(client, clock, vendor, name)
        assert shown.base64 is not None, vendor
        assert BASE64[name](shown.base64), (vendor, shown.base64[:100])
        assert (await bytes_of(client, shown) == b"") == (name == "bad_base64")


async def twice(client: httpx.AsyncClient, url: str) -> list[int]:
    return [(await client.get(url)).status_code for _ in range(2)]


LINKS: Final[Mapping[str, list[int]]] = {
    "as_url": [200, 200],
    "missing_file": [404, 404],
    "missing_first": [404, 200],
    "forbidden_file": [403, 403],
    "expired_file": [403, 403],
    "redirect_inside": [302, 302],
    "html_file": [200, 200],
    "changing_file": [200, 200],
    "odd_url": [200, 200],
}


@pytest.mark.parametrize("name", LINKS)
async def test_the_result_url_fails_as_the_fault_says(client: httpx.AsyncClient, clock: HandClock, name: str) -> None:
    for vendor in sorted(PICTURE_VENDORS):
        (shown, *_) = await shown_under(client, clock, vendor, name)
        assert shown.url is not None, vendor
        assert await twice(client, shown.url) == LINKS[name]


async def test_a_result_url_can_lead_inside_or_to_something_else(client: httpx.AsyncClient, clock: HandClock) -> None:
    async def url_under(fault: str) -> str:
        (shown,) = await shown_under(client, clock, "uniall", fault)
        assert shown.url is not None
        return shown.url

    assert "169.254.169.254" in await url_under("inside_url")
    assert "169.254.169.254" in (await client.get(await url_under("redirect_inside"))).headers["location"]
    assert (await client.get(await url_under("html_file"))).headers["content-type"].startswith("text/html")
    odd = await url_under("odd_url")
    assert "(1)" in odd
    assert "猫" in odd
    changing = await url_under("changing_file")
    first, second = [(await client.get(changing)).content for _ in range(2)]
    assert first != second
    assert looks(first) == looks(second)


def test_every_fault_of_these_stages_has_a_check() -> None:
    elsewhere = {"wrong_mime", "more_than_n", "fewer_than_n", "inside_url"}
    named = {name for name, fault in FAULTS.items() if fault.stage in ("picture", "base64", "link")}
    assert named == PICTURES.keys() | BASE64.keys() | LINKS.keys() | elsewhere
