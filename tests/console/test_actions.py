"""What operators do to accounts, keys, tasks and webhooks, as they do it."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from app.core.clock import Clock
from app.gateway.account_forms import KeyForm
from tests.console.support import Seat, a_picture
from tests.support.receiver import running_receiver

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_account_is_made_renamed_disabled_and_enabled(seat: Seat) -> None:
    await seat.sign_in("/accounts")
    await seat.button("New account").click()
    await seat.page.get_by_label("Name").fill("field office")
    await seat.button("Create").click()
    await expect(seat.page.locator("dialog[open] .secret code")).to_contain_text("whsec_")
    await seat.button("I have stored it").click()
    await expect(seat.heading()).to_have_text("field office")
    await seat.button("Edit").click()
    await seat.page.get_by_label("Name").fill("head office")
    await seat.button("Save").click()
    await expect(seat.heading()).to_have_text("head office")
    await seat.button("Disable").click()
    await seat.button("Disable").click()
    await expect(seat.page.locator(".page-head .badge.bad")).to_have_text("disabled")
    await seat.button("Enable").click()
    await expect(seat.page.locator(".page-head .badge.bad")).to_have_count(0)


async def test_a_keys_limits_are_changed(seat: Seat) -> None:
    form = KeyForm(account_id=seat.gateway.account_id, name="cramped")
    await seat.gateway.services.accounts.create_key(form)
    await seat.sign_in("/keys")
    row = seat.page.locator("tbody tr").filter(has_text="cramped")
    await row.get_by_role("button", name="Edit").click()
    await seat.page.get_by_label("Requests per minute").fill("7")
    await seat.button("Save").click()
    await expect(row).to_contain_text("7 / min")


async def test_a_task_that_runs_is_asked_to_stop(seat: Seat) -> None:
    task_id = await a_picture(seat.gateway)

    async def still_running(asked: Route) -> None:
        task = await (await asked.fetch()).json()
        await asked.fulfill(json={**task, "status": "in_progress", "finished_at": None})

    await seat.page.route(f"**/admin/tasks/{task_id}", still_running)
    await seat.sign_in(f"/tasks/{task_id}")
    await seat.button("Cancel").click()
    async with seat.page.expect_response(f"**/admin/tasks/{task_id}/cancel") as answered:
        await seat.button("Cancel the task").click()
    assert (await answered.value).status == 200
    await expect(seat.page.locator("#toasts")).to_contain_text("Cancellation is asked for.")
    await seat.page.unroute_all(behavior="ignoreErrors")  # the page goes on asking while it is closed


async def test_an_unknown_is_resolved_with_a_reason(seat: Seat) -> None:
    async with seat.gateway.client() as client:
        order = {"model": "nano-banana-pro-1k@infinityblue", "prompt": "a hut [fault:hang_up]"}
        task_id = (await client.post("/v1/images/generations", json=order)).headers["oneshape-task-id"]
    await seat.sign_in(f"/tasks/{task_id}")
    await expect(seat.page.get_by_text("Did it bill?")).to_be_visible()
    await seat.button("It did not").click()
    await seat.page.get_by_label("How is it known?").fill("their invoice")
    await seat.button("Take off exposure").click()
    await expect(seat.page.get_by_text("Did it bill?")).to_have_count(0)
    await expect(seat.page.get_by_role("table", name="Attempts")).to_contain_text("refused")


async def test_a_webhook_is_sent_again(seat: Seat) -> None:
    async with running_receiver() as receiver, seat.gateway.client() as client:
        order = {"model": "nano-banana-pro-1k", "prompt": "a hut", "webhook_url": receiver.url}
        task_id = (await client.post("/v1/images/tasks", json=order)).json()["data"]["task_id"]
        await client.get(f"/v1/images/tasks/{task_id}?wait=60")
        await seat.sign_in("/webhooks")
        row = seat.page.locator("tbody tr").filter(has_text=task_id[:13])
        await expect(row).to_contain_text("delivered")
        await row.get_by_role("button", name="Send again").click()
        async with asyncio.timeout(60):
            while len(receiver.received) < 2:
                await Clock().sleep(0.05)
        await expect(row).to_contain_text("delivered")
    ids = {one.headers["webhook-id"] for one in receiver.received}
    assert (len(receiver.received), len(ids)) == (2, 1)


async def test_a_picture_is_shown_large(seat: Seat) -> None:
    task_id = await a_picture(seat.gateway)
    await seat.sign_in(f"/tasks/{task_id}")
    await seat.page.get_by_title("Show it large").click()
    large = seat.page.locator("dialog[open] img")
    await expect(large).to_be_visible()
    assert await large.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    await seat.button("Close").click()
    await expect(seat.page.locator("dialog[open]")).to_have_count(0)
