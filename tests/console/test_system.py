"""The installation: whether it can serve, and copies of its database."""

import pytest
from playwright.async_api import Route, expect

from tests.console.support import Seat

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_backup_is_made_and_listed(seat: Seat) -> None:
    await seat.sign_in("/system")
    await seat.button("Back up now").click()
    await expect(seat.page.get_by_text("It is made.")).to_be_visible()
    file = next((seat.gateway.directory / "backups").glob("*.db")).name
    await expect(seat.page.get_by_role("table", name="Backups")).to_contain_text(file)


async def test_a_backup_that_cannot_be_made_says_why(seat: Seat) -> None:
    seat.expect_status(409)
    words = "The database is PostgreSQL: back it up with its own tools, such as pg_dump."

    async def refused(asked: Route) -> None:
        error = {"message": words, "type": "conflict_error", "param": None, "code": "conflict"}
        await asked.fulfill(status=409, json={"error": error})

    await seat.sign_in("/system")
    await seat.page.route("**/admin/backup", refused)
    await seat.button("Back up now").click()
    await expect(seat.page.get_by_role("alert")).to_contain_text(words)
    await expect(seat.button("Back up now")).to_be_enabled()


async def test_a_part_that_cannot_serve_is_named(seat: Seat) -> None:
    seat.expect_status(503)

    async def unready(asked: Route) -> None:
        told = {"status": "unavailable", "database": "ok", "catalog": "ok", "media": "unavailable"}
        await asked.fulfill(status=503, json=told)

    await seat.page.route("**/readyz", unready)
    await seat.sign_in("/system")
    await expect(seat.page.get_by_role("listitem").filter(has_text="Media store")).to_contain_text("unavailable")
