"""Vendors at the console: how they do, taking them out of use, and what would become of a request."""

import pytest
from playwright.async_api import Locator, expect

from tests.console.support import Seat, a_picture

pytestmark = pytest.mark.asyncio(loop_scope="session")


def card(seat: Seat, vendor: str) -> Locator:
    return seat.page.get_by_role("region", name=vendor, exact=True)


async def test_a_vendor_is_drained_and_taken_back(seat: Seat) -> None:
    await seat.sign_in("/vendors")
    google = card(seat, "google")
    await google.get_by_role("button", name="Drain").click()
    await seat.page.locator("dialog").get_by_role("button", name="Drain").click()
    await expect(google.locator(".badge", has_text="drained")).to_be_visible()
    await google.get_by_role("button", name="Undrain").click()
    await expect(google.locator(".badge", has_text="drained")).to_have_count(0)


async def test_a_vendor_that_worked_shows_how_it_did(seat: Seat) -> None:
    await a_picture(seat.gateway)
    await seat.sign_in("/vendors")
    await expect(seat.page.locator(".tile-note", has_text="calls").first).to_be_visible()


async def test_a_probe_is_asked_for_twice_and_tells_what_came_back(seat: Seat) -> None:
    await seat.sign_in("/vendors")
    await card(seat, "ccapi").get_by_role("button", name="Probe").click()
    await seat.page.locator("dialog").get_by_role("button", name="Probe").click()
    findings = seat.page.get_by_role("table", name="Findings")
    await expect(findings.locator("tbody .badge").first).to_have_text("ok")


async def test_explaining_names_every_target_and_sends_nothing(seat: Seat) -> None:
    calls = len(await seat.gateway.paid_calls())
    await seat.sign_in("/models/nano-banana-pro-2k")
    await seat.button("Explain a request").click()
    targets = seat.page.locator("dialog .targets > li")
    await expect(targets).to_have_count(5)
    await expect(seat.page.locator("dialog")).to_contain_text("$0.134")
    await targets.first.locator("summary").click()
    await expect(targets.first).to_contain_text("Bearer ***")
    assert len(await seat.gateway.paid_calls()) == calls
