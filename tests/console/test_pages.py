"""Every page: it shows without an error, in the dark and in the light, at the width of a phone, and by keyboard."""

import re
from typing import Any, Final

import pytest
from playwright.async_api import Route, expect

from tests.console.support import Seat, a_picture
from tests.support.gateway import ADMIN_KEY

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES: Final = {
    "/": "Overview",
    "/tasks": "Tasks",
    "/tasks?view=pictures": "Tasks",
    "/vendors": "Vendors",
    "/webhooks": "Webhooks",
    "/models": "Models",
    "/models/nano-banana-pro-2k": "nano-banana-pro-2k",
    "/catalog": "Catalog",
    "/playground": "Playground",
    "/accounts": "Accounts",
    "/keys": "Keys",
    "/usage": "Usage",
    "/ledger": "Ledger",
    "/bills": "Bills",
    "/audit": "Audit",
    "/system": "System",
}
PHONE: Final = {"width": 390, "height": 844}


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Any:
    return request.param


async def test_every_page_shows_without_an_error(seat: Seat, scheme: Any) -> None:
    await a_picture(seat.gateway)
    await seat.page.emulate_media(color_scheme=scheme)
    await seat.sign_in()
    for path, title in PAGES.items():
        await seat.go(path)
        await expect(seat.heading()).to_have_text(title)
        await expect(seat.page.locator("main .state.bad")).to_have_count(0)
        assert seat.problems == [], path


async def test_every_page_fits_a_phone(seat: Seat) -> None:
    task_id = await a_picture(seat.gateway)
    await seat.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await seat.sign_in()
    for path in [*PAGES, f"/tasks/{task_id}", f"/accounts/{seat.gateway.account_id}"]:
        await seat.go(path)
        assert await seat.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


async def test_a_phone_reaches_every_page_through_the_menu(seat: Seat) -> None:
    await seat.page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    await seat.sign_in()
    menu = seat.button("Menu")
    await menu.click()
    await expect(menu).to_have_attribute("aria-expanded", "true")
    await seat.page.get_by_role("link", name="Ledger").click()
    await expect(seat.heading()).to_have_text("Ledger")
    await expect(menu).to_have_attribute("aria-expanded", "false")


async def test_the_keyboard_skips_to_the_page_and_hears_its_title(seat: Seat) -> None:
    await seat.sign_in()
    await seat.page.get_by_role("link", name="Keys").focus()
    await seat.page.keyboard.press("Enter")
    await expect(seat.heading()).to_have_text("Keys")
    await expect(seat.heading()).to_be_focused()
    await seat.page.reload()
    await seat.settled()
    await seat.page.keyboard.press("Tab")
    await expect(seat.button("Skip to the page")).to_be_focused()
    await seat.page.keyboard.press("Enter")
    await expect(seat.page.locator("main")).to_be_focused()


async def test_every_field_and_button_has_a_name(seat: Seat) -> None:
    await seat.sign_in()
    for path, title in PAGES.items():
        await seat.go(path)
        await expect(seat.heading()).to_have_text(title)  # the page before stays until this one is there
        await seat.settled()
        controls = seat.page.locator("button:visible, input:visible, select:visible, textarea:visible")
        for control in await controls.all():
            await expect(control).to_have_accessible_name(re.compile(r"\S"))


async def test_the_theme_is_chosen_and_kept(seat: Seat) -> None:
    await seat.page.emulate_media(color_scheme="light")
    await seat.sign_in()
    page_colour = "getComputedStyle(document.body).backgroundColor"
    light = await seat.page.evaluate(page_colour)
    await seat.page.get_by_role("button", name="Colours").click()
    assert await seat.page.evaluate(page_colour) == light
    await seat.page.get_by_role("button", name="Colours").click()
    assert await seat.page.evaluate(page_colour) != light
    await seat.page.reload()
    await expect(seat.page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(
    ("path", "route"),
    [("/usage", "**/admin/usage*"), ("/webhooks", "**/admin/webhooks*"), ("/vendors", "**/admin/vendors")],
)
async def test_what_the_gateway_does_not_have_is_said_and_is_no_error(seat: Seat, path: str, route: str) -> None:
    """An older gateway answers 404 to a route it does not know."""
    seat.expect_status(404)
    body = (
        '{"error":{"message":"There is nothing there.","type":"invalid_request_error","param":null,"code":"not_found"}}'
    )

    async def without(asked: Route) -> None:
        await asked.fulfill(status=404, content_type="application/json", body=body)

    await seat.page.route(route, without)
    await seat.sign_in(path)
    await expect(seat.page.get_by_text("is not available in this version")).to_be_visible()


async def test_a_gateway_that_cannot_be_reached_is_said_and_asked_again(seat: Seat) -> None:
    async def unreachable(asked: Route) -> None:
        await asked.abort()

    await seat.sign_in()
    await seat.page.route("**/admin/ledger/entries*", unreachable)
    await seat.go("/ledger")
    await expect(seat.page.get_by_role("alert")).to_contain_text("The gateway cannot be reached.")
    await seat.page.unroute("**/admin/ledger/entries*")
    await seat.button("Try again").click()
    await expect(seat.page.get_by_role("table", name="Ledger entries")).to_be_visible()
    assert seat.problems == ["error: Failed to load resource: net::ERR_FAILED"]
    seat.problems.clear()


async def test_what_clients_write_is_text_and_never_markup(seat: Seat) -> None:
    evil = '<img src=x onerror="window.owned=1"><script>window.owned=1</script>'
    task_id = await a_picture(seat.gateway, evil)
    await seat.sign_in(f"/tasks/{task_id}")
    await expect(seat.page.locator("blockquote")).to_have_text(evil)
    assert await seat.page.evaluate("window.owned") is None
    assert ADMIN_KEY not in await seat.page.content()
