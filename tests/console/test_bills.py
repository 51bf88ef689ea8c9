"""Vendors' bills: imported from a file, compared, looked into and withdrawn."""

import pytest
from playwright.async_api import FilePayload, expect

from tests.console.support import Seat, a_picture

pytestmark = pytest.mark.asyncio(loop_scope="session")


def bill_of(*lines: str) -> FilePayload:
    text = "\n".join(["task_id,amount", *lines])
    return {"name": "november.csv", "mimeType": "text/csv", "buffer": text.encode()}


async def import_bill(seat: Seat, *lines: str) -> None:
    await seat.button("Import a bill").click()
    await seat.page.locator("dialog[open]").get_by_label("Vendor").select_option("infinityblue")
    await seat.page.get_by_label("File").set_input_files(bill_of(*lines))
    await seat.button("Import").click()


async def test_a_bill_is_imported_looked_into_and_withdrawn(seat: Seat) -> None:
    task_id = await a_picture(seat.gateway)
    await seat.sign_in("/bills")
    await expect(seat.page.get_by_role("table", name="Expected and billed")).to_be_visible()
    await import_bill(seat, f"{task_id},0.09", "gen_nobody,0.50")
    await expect(seat.heading()).to_have_text("november.csv")
    lines = seat.page.get_by_role("table", name="Lines")
    await expect(lines).to_contain_text("gen_nobody")
    await seat.page.get_by_label("Match").select_option("unmatched")
    await expect(lines.locator("tbody tr").filter(has_text="gen_nobody")).to_contain_text("unmatched")
    await seat.button("Withdraw").click()
    await seat.button("Withdraw").click()
    await expect(seat.heading()).to_have_text("Bills")
    await expect(seat.page.get_by_text("No bill was imported yet")).to_be_visible()


async def test_a_bill_that_cannot_be_read_says_where(seat: Seat) -> None:
    seat.expect_status(400)
    await seat.sign_in("/bills")
    await import_bill(seat, "task_x,much")
    await expect(seat.page.locator("dialog[open]").get_by_role("alert")).to_contain_text("2")
