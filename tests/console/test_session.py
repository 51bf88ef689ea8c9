"""Signing in and out, and where the admin key is meanwhile."""

import pytest
from playwright.async_api import expect

from tests.console.support import Seat
from tests.support.gateway import ADMIN_KEY

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_wrong_admin_key_is_told_and_opens_nothing(seat: Seat) -> None:
    seat.expect_status(403)
    await seat.open()
    await seat.page.get_by_label("Admin key").fill("adm-not-this-one")
    await seat.button("Sign in").click()
    await expect(seat.page.get_by_role("alert")).to_have_text("This is not the admin key.")
    await expect(seat.page.locator("main")).to_have_count(0)


async def test_signing_in_leads_to_the_page_that_was_asked_for(seat: Seat) -> None:
    await seat.sign_in("/ledger")
    await expect(seat.heading()).to_have_text("Ledger")
    assert await seat.page.title() == "Ledger · Oneshape"


async def test_the_admin_key_stays_in_this_tab_and_leaves_when_signing_out(seat: Seat) -> None:
    await seat.sign_in()
    assert ADMIN_KEY in await seat.page.evaluate("JSON.stringify({...sessionStorage})")
    assert ADMIN_KEY not in await seat.page.evaluate("JSON.stringify({...localStorage}) + document.cookie + location")
    other = await seat.page.context.new_page()
    await other.goto(f"{seat.gateway.url}/console")
    await expect(other.get_by_label("Admin key")).to_be_visible()
    await seat.button("Sign out").click()
    await expect(seat.page.get_by_label("Admin key")).to_be_visible()
    assert ADMIN_KEY not in await seat.page.evaluate(
        "JSON.stringify({...sessionStorage}) + document.documentElement.outerHTML"
    )


async def test_a_key_that_is_no_longer_taken_ends_the_session(seat: Seat) -> None:
    seat.expect_status(403)
    await seat.sign_in()
    await seat.page.evaluate("sessionStorage.setItem('oneshape.admin-key', 'adm-changed-since')")
    await seat.open("/keys")
    await expect(seat.page.get_by_label("Admin key")).to_be_visible()


async def test_the_tests_see_what_the_policy_refuses(seat: Seat) -> None:
    await seat.sign_in()
    await seat.page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
    )
    assert await seat.page.evaluate("window.ran") is None
    assert [problem for problem in seat.problems if "Content Security Policy" in problem]
    seat.problems.clear()
