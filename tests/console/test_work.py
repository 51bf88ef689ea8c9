"""The work of an operator at the console: pictures from the playground, their tasks, models, and the catalog."""

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Locator, expect

from tests.console.support import Seat

pytestmark = pytest.mark.asyncio(loop_scope="session")

SURFACES = ["generations", "chat", "tasks", "gemini"]


async def order(seat: Seat, surface: str, prompt: str) -> Locator:
    """Fills the playground with an order of the gateway's client; answers the part where the answer appears."""
    await seat.go("/playground?model=nano-banana-pro-1k")
    await seat.page.get_by_label("Surface").select_option(surface)
    await seat.page.get_by_label("Client key").fill(seat.gateway.key)
    await seat.page.get_by_label("Prompt").fill(prompt)
    await seat.page.get_by_label("Aspect ratio").select_option("16:9")
    return seat.page.locator("section").filter(has=seat.page.get_by_role("heading", name="Answer"))


async def drawn(picture: Locator) -> tuple[int, int]:
    """The size of a picture once the browser has drawn it."""
    await expect(picture).to_be_visible()
    await expect(picture).to_have_js_property("complete", value=True)
    size = await picture.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
    return size[0], size[1]


async def retype(editor: Locator, place: re.Match[str], text: str) -> None:
    """Selects a part of the text and types another over it."""
    await editor.focus()
    await editor.evaluate("(area, [start, end]) => area.setSelectionRange(start, end)", [place.start(1), place.end(1)])
    await editor.page.keyboard.insert_text(text)


@pytest.mark.parametrize("surface", SURFACES)
async def test_the_playground_shows_the_picture_of_every_surface(seat: Seat, surface: str) -> None:
    await seat.sign_in()
    answer = await order(seat, surface, "a heron in the reeds")
    await seat.button("Send").click()
    assert await drawn(answer.locator("img")) == (1376, 768)  # 16:9 at 1K (wire-facts 4.3)
    await expect(answer).to_contain_text("$0.134")


async def test_a_picture_is_followed_from_the_playground_to_its_task(seat: Seat) -> None:
    await seat.sign_in()
    answer = await order(seat, "generations", "a heron in the mist")
    await seat.button("Send").click()
    await answer.get_by_role("link", name=re.compile("^task_")).click()
    await expect(seat.heading()).to_have_text("Task")
    assert await drawn(seat.page.locator(".picture img")) == (1376, 768)
    await expect(seat.page.locator("blockquote")).to_have_text("a heron in the mist")
    events = await seat.page.locator(".timeline .badge").all_inner_texts()
    assert (events[0], events[-1]) == ("created", "succeeded")
    assert {"intended", "sent", "accepted"} <= set(events)
    entries = seat.page.get_by_role("table", name="Ledger entries")
    assert await entries.locator("tbody .badge").all_inner_texts() == ["hold", "capture"]


async def test_a_reference_is_sent_with_the_order(seat: Seat, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "teal.png")
    await seat.sign_in()
    answer = await order(seat, "edits", "the same in red")
    await seat.page.get_by_label("References").set_input_files(tmp_path / "teal.png")
    await expect(seat.page.get_by_role("img", name="teal.png")).to_be_visible()
    await seat.button("Send").click()
    await answer.get_by_role("link", name=re.compile("^task_")).click()
    await expect(seat.page.locator("main")).to_contain_text("image2image")


async def test_the_request_is_told_as_curl_and_in_python_without_the_key(seat: Seat) -> None:
    await seat.sign_in()
    await order(seat, "generations", "a heron's nest")
    curl = await seat.page.get_by_label("The request for curl").inner_text()
    python = await seat.page.get_by_label("The request in Python").inner_text()
    assert f"curl {seat.gateway.url}/v1/images/generations" in curl
    assert "a heron'\\''s nest" in curl
    assert 'prompt="a heron\'s nest"' in python
    assert 'extra_body={"aspect_ratio":"16:9"}' in python
    assert seat.gateway.key not in curl + python
    compile(python, "shown.py", "exec")


async def test_a_refusal_is_shown_with_its_code(seat: Seat) -> None:
    seat.expect_status(401)
    await seat.sign_in()
    answer = await order(seat, "generations", "a heron")
    await seat.page.get_by_label("Client key").fill("sk-nobody")
    await seat.button("Send").click()
    await expect(answer.get_by_role("alert")).to_contain_text("invalid_api_key")


async def test_tasks_are_filtered_and_shown_as_pictures(seat: Seat) -> None:
    await seat.sign_in()
    answer = await order(seat, "generations", "a heron at night")
    await seat.button("Send").click()
    await drawn(answer.locator("img"))
    await seat.go("/tasks")
    await seat.page.get_by_label("State").select_option("succeeded")
    await expect(seat.page.locator("tbody tr").first).to_contain_text("succeeded")
    await seat.button("Pictures").click()
    first = seat.page.locator(".gallery li").first
    await drawn(first.locator("img"))
    await first.get_by_role("link").click()
    await expect(seat.heading()).to_have_text("Task")


async def test_a_wrong_catalog_is_told_with_its_line(seat: Seat) -> None:
    seat.expect_status(400)
    await seat.sign_in("/catalog")
    editor = seat.page.get_by_label("The catalog as YAML")
    place = re.search(r"kind: (image)", await editor.input_value())
    assert place is not None
    line = place.string[: place.start()].count("\n") + 1
    await retype(editor, place, "statue")
    await seat.button("Validate and compare").click()
    await seat.button(f"line {line}").click()
    chosen = await editor.evaluate("area => area.value.slice(area.selectionStart, area.selectionEnd)")
    assert chosen.strip().endswith("kind: statue")


async def test_the_catalog_is_compared_applied_and_restored(seat: Seat) -> None:
    catalog = seat.gateway.services.catalog
    before = catalog().models["nano-banana"].price.per_image
    number = catalog().revision
    await seat.sign_in("/catalog")
    editor = seat.page.get_by_label("The catalog as YAML")
    place = re.search(r"- id: nano-banana\n(?:  .*\n)*?    per_image: \W?(0\.039)", await editor.input_value())
    assert place is not None
    await retype(editor, place, "0.041")
    await seat.button("Validate and compare").click()
    await expect(seat.page.locator(".change-path")).to_have_text("models[nano-banana].price.per_image")
    assert catalog().revision == number
    await seat.button("Apply…").click()
    await seat.page.get_by_label("Comment").fill("dearer bananas")
    await seat.page.locator("dialog").get_by_role("button", name="Apply").click()
    await expect(seat.page.get_by_role("row").filter(has_text="dearer bananas")).to_be_visible()
    assert catalog().models["nano-banana"].price.per_image == 41_000
    old = seat.page.get_by_role("row").filter(has=seat.page.get_by_role("cell", name=str(number), exact=True))
    await old.get_by_role("button", name="Restore").click()
    await seat.page.locator("dialog").get_by_role("button", name="Restore").click()
    await expect(seat.page.get_by_text(f"Revision {number} is in force again.")).to_be_visible()
    assert catalog().models["nano-banana"].price.per_image == before


async def test_a_model_is_found_by_its_alias_and_shows_its_targets(seat: Seat) -> None:
    await seat.sign_in("/models")
    await seat.page.get_by_label("Name or alias").fill("NanoBananaPro-2K")
    await seat.page.keyboard.press("Enter")
    await seat.page.get_by_role("link", name="nano-banana-pro-2k", exact=True).click()
    await expect(seat.page.get_by_role("table", name="Targets").locator("tbody tr")).to_have_count(5)


async def test_what_was_done_is_in_the_audit(seat: Seat) -> None:
    await seat.sign_in(f"/audit?subject={seat.gateway.account_id}")
    row = seat.page.get_by_role("row").filter(has_text="account.granted")
    await expect(row).to_contain_text("$100.00")
