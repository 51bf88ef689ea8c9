"""Accounts, keys, the ledger and usage at the console: what one does there is done, and shown as people read it."""

import csv
import io

import pytest
from playwright.async_api import expect

from app.core.errors import GatewayError
from app.store import ledger
from tests.console.support import Seat, a_picture

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def new_account(seat: Seat, name: str) -> str:
    """Makes a prepaid account in the dialogs; answers its id."""
    await seat.go("/accounts")
    await seat.button("New account").first.click()
    await seat.page.get_by_label("Name").fill(name)
    await seat.button("Create").click()
    await expect(seat.page.locator(".secret code")).to_contain_text("whsec_")
    await seat.button("I have stored it").click()
    await expect(seat.heading()).to_have_text(name)
    return str(await seat.page.evaluate("location.hash")).rpartition("/")[2]


async def new_key(seat: Seat, name: str) -> str:
    """Makes a key on an account's page; answers its secret."""
    await seat.button("New key").click()
    await seat.page.get_by_label("Name").fill(name)
    await seat.page.get_by_label("Budget", exact=True).select_option("day")
    await seat.page.get_by_label("Budget in USD").fill("2.50")
    await seat.button("Create").click()
    return await seat.page.locator(".secret code").inner_text()


async def test_money_is_granted_and_adjusted_in_the_currency(seat: Seat) -> None:
    await seat.sign_in()
    account_id = await new_account(seat, "Granted")
    await seat.button("Grant").click()
    await seat.page.get_by_label("Amount in USD").fill("12.5")
    await seat.page.get_by_label("Reason").fill("invoice 7")
    await seat.page.locator("dialog").get_by_role("button", name="Grant").click()
    await expect(seat.page.locator(".tile-value").first).to_have_text("$12.50")
    await seat.button("Adjust").click()
    await seat.page.get_by_label("Amount in USD").fill("-0.000001")
    await seat.page.get_by_label("Reason").fill("one unit too many")
    await seat.page.locator("dialog").get_by_role("button", name="Adjust").click()
    await expect(seat.page.locator(".tile-value").first).to_have_text("$12.499999")
    account = await seat.gateway.services.accounts.get(account_id)
    assert account.balance_units == 12_499_999


async def test_an_amount_that_is_none_is_refused_at_its_field(seat: Seat) -> None:
    seat.expect_status(400)
    await seat.sign_in(f"/accounts/{seat.gateway.account_id}")
    await seat.button("Grant").click()
    await seat.page.get_by_label("Amount in USD").fill("much")
    await seat.page.get_by_label("Reason").fill("hope")
    await seat.page.locator("dialog").get_by_role("button", name="Grant").click()
    await expect(seat.page.locator("dialog").get_by_role("alert")).to_contain_text("units")
    await expect(seat.page.get_by_label("Amount in USD")).to_be_focused()


async def test_a_keys_secret_is_shown_once_and_works(seat: Seat) -> None:
    await seat.sign_in()
    await new_account(seat, "Keyed")
    secret = await new_key(seat, "shop")
    assert secret.startswith("sk-")
    await seat.gateway.services.callers.authenticate(secret)
    await seat.button("I have stored it").click()
    row = seat.page.get_by_role("row").filter(has_text="shop")
    await expect(row).to_contain_text("$0.00 of $2.50 today")
    assert secret not in await seat.page.content()


async def test_a_revoked_key_is_marked_and_refused(seat: Seat) -> None:
    await seat.sign_in()
    await new_account(seat, "Revoked")
    secret = await new_key(seat, "old app")
    await seat.button("I have stored it").click()
    await seat.button("Revoke").click()
    await seat.page.locator("dialog").get_by_role("button", name="Revoke").click()
    await expect(seat.page.get_by_role("row").filter(has_text="old app")).to_contain_text("revoked")
    with pytest.raises(GatewayError):
        await seat.gateway.services.callers.authenticate(secret)


async def test_a_dialog_holds_the_focus_and_escape_closes_it(seat: Seat) -> None:
    await seat.sign_in("/accounts")
    await seat.button("New account").click()
    await expect(seat.page.get_by_label("Name")).to_be_focused()
    await seat.page.keyboard.press("Escape")
    await expect(seat.page.locator("dialog")).to_have_count(0)
    await expect(seat.button("New account")).to_be_focused()


async def test_the_ledger_is_filtered_and_verified(seat: Seat) -> None:
    await seat.sign_in("/ledger")
    await seat.page.get_by_label("Kind").select_option("grant")
    await expect(seat.page.locator("tbody .badge").first).to_have_text("grant")
    kinds = await seat.page.locator("tbody .badge").all_inner_texts()
    entries = await seat.gateway.services.database.read(lambda tx: ledger.entries(tx, kind="grant", limit=100))
    assert kinds == ["grant"] * len(entries.items)
    await seat.button("Verify").click()
    await expect(seat.page.get_by_text("The books are right.")).to_be_visible()


async def test_usage_leaves_as_the_csv_of_what_is_shown(seat: Seat) -> None:
    await a_picture(seat.gateway)
    await seat.sign_in("/usage?group_by=account,model")
    async with seat.page.expect_download() as download:
        await seat.button("Export CSV").click()
    path = await (await download.value).path()
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert {"account", "model", "requests", "images", "price_units", "margin_units"} <= set(rows[0])
    assert seat.gateway.account_id in {row["account"] for row in rows}
    await expect(seat.page.locator("tbody tr")).to_have_count(len(rows))
