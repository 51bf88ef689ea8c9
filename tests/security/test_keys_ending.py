"""A10, G89: a key or an account that ends while its task runs: what was accepted is finished, charged and told."""

from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from app.core.clock import Clock
from app.gateway.account_forms import AccountPatch, KeyForm, KeyPatch
from app.store import ledger_verify
from tests.security.painter import PRICE_UNITS, Painter, Shelf, catalog, painting
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

TASKS: Final = "/v1/images/tasks"
BODY: Final = {"model": "of-the-first", "prompt": "a fox"}
World = tuple[Running, Painter, Shelf]


class Leaping(Clock):
    """The machine's clock, set forward at will: what a process remembers for seconds is forgotten at once."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


CLOCK: Final = Leaping()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with painting() as painter:
        shelf = Shelf(catalog(painter.url))
        async with running_gateway(tmp_path_factory.mktemp("ending"), source=shelf, clock=CLOCK) as gateway:
            yield gateway, painter, shelf


class Task:
    """A task whose vendor waits, and two keys of the account that pays for it."""

    def __init__(self, world: World, *, key: str, other: str, key_id: str, account_id: str, task_id: str) -> None:
        self.gateway, self.painter, self.shelf = world
        self.key, self.other, self.key_id, self.account_id, self.task_id = key, other, key_id, account_id, task_id

    async def poll(self, key: str, *, wait: int = 0) -> httpx.Response:
        """What a key is told of it."""
        async with self.gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
            return await client.get(f"{TASKS}/{self.task_id}", params={"wait": wait} if wait else {})

    async def finished(self) -> dict[str, Any]:
        """Lets the vendor answer; the task at its end, as the account's other key is told."""
        self.painter.may.set()
        for _ in range(60):
            data: dict[str, Any] = (await self.poll(self.other, wait=1)).json()["data"]
            if data["status"] not in ("queued", "in_progress"):
                return data
        raise AssertionError("the task does not end")

    async def spent(self) -> tuple[int, int]:
        """What the account has spent and what is held of it."""
        account = await self.gateway.services.accounts.get(self.account_id)
        return 10 * PRICE_UNITS - account.balance_units, account.held_units


async def begun(world: World, **key: Any) -> Task:
    """A task that a vendor is at work on."""
    gateway, painter, _ = world
    accounts = gateway.services.accounts
    painter.may.clear()
    painter.asked.clear()
    first = await gateway.new_key(grant_units=10 * PRICE_UNITS, **key)
    caller = await gateway.services.callers.authenticate(first)
    made = await accounts.create_key(KeyForm(account_id=caller.account.id, name="other"))
    async with gateway.client(headers={"authorization": f"Bearer {first}"}) as client:
        accepted = await client.post(TASKS, json=BODY)
        assert accepted.status_code == 202, accepted.text
    await painter.asked.wait()
    return Task(
        world,
        key=first,
        other=made.secret,
        key_id=caller.key.id,
        account_id=caller.account.id,
        task_id=accepted.json()["data"]["task_id"],
    )


async def test_a10_a_revoked_keys_task_is_finished_and_charged_and_its_account_reads_it(world: World) -> None:
    task = await begun(world)
    await task.gateway.services.accounts.revoke_key(task.key_id)
    CLOCK.ahead_s += 5
    assert (await task.poll(task.key)).status_code == 401
    assert (await task.finished())["status"] == "succeeded"
    assert await task.spent() == (PRICE_UNITS, 0)


async def test_a10_a_key_that_expires_during_its_task_does_not_end_it(world: World) -> None:
    task = await begun(world, expires_at=int(CLOCK.now()) + 50)
    CLOCK.ahead_s += 51
    answer = await task.poll(task.key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "expired_api_key")
    assert (await task.finished())["status"] == "succeeded"
    assert await task.spent() == (PRICE_UNITS, 0)


async def test_a10_a_key_without_budget_left_polls_its_task_and_begins_no_other(world: World) -> None:
    task = await begun(world, budget={"units": PRICE_UNITS, "period": "total"})
    async with task.gateway.client(headers={"authorization": f"Bearer {task.key}"}) as client:
        refused = await client.post(TASKS, json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
    assert (await task.poll(task.key)).json()["data"]["status"] == "in_progress"
    assert (await task.finished())["status"] == "succeeded"
    assert (await task.poll(task.key)).json()["data"]["status"] == "succeeded"


async def test_a10_a_disabled_accounts_task_is_finished_and_charged(world: World) -> None:
    task = await begun(world)
    accounts = task.gateway.services.accounts
    await accounts.patch(task.account_id, AccountPatch(disabled=True))
    task.painter.may.set()
    for _ in range(600):
        if (await task.spent())[0]:
            break
        await task.gateway.services.clock.sleep(0.05)
    assert await task.spent() == (PRICE_UNITS, 0)
    await accounts.patch(task.account_id, AccountPatch(disabled=False))


async def test_g89_the_price_at_admission_is_what_is_charged(world: World) -> None:
    """L17."""
    task = await begun(world)
    await in_force(task, catalog(task.painter.url, price="9.99"))
    assert (await task.finished())["oneshape"]["units"] == PRICE_UNITS
    assert await task.spent() == (PRICE_UNITS, 0)
    await in_force(task, catalog(task.painter.url))


async def test_g89_a_model_that_is_taken_out_finishes_what_it_began(world: World) -> None:
    task = await begun(world)
    await in_force(task, catalog(task.painter.url).replace("of-the-first", "renamed"))
    data = await task.finished()
    assert (data["status"], data["model"]) == ("succeeded", "of-the-first")
    assert await task.spent() == (PRICE_UNITS, 0)
    await in_force(task, catalog(task.painter.url))


async def test_g89_a_budget_below_what_is_held_admits_nothing_more_and_takes_nothing_back(world: World) -> None:
    task = await begun(world, budget={"units": 5 * PRICE_UNITS, "period": "total"})
    await task.gateway.services.accounts.patch_key(
        task.key_id, KeyPatch.model_validate({"budget": {"units": 1, "period": "total"}})
    )
    CLOCK.ahead_s += 5
    async with task.gateway.client(headers={"authorization": f"Bearer {task.key}"}) as client:
        refused = await client.post(TASKS, json=BODY)
    assert (refused.status_code, refused.json()["error"]["code"]) == (402, "budget_exceeded")
    assert (await task.finished())["status"] == "succeeded"
    assert await task.spent() == (PRICE_UNITS, 0)


async def in_force(task: Task, text: str) -> None:
    """Puts a catalog on the shelf and waits until it rules."""
    task.shelf.put(text)
    for _ in range(600):
        if task.gateway.services.catalog().revision == task.shelf.number:
            return
        await task.gateway.services.clock.sleep(0.05)
    raise AssertionError("the catalog did not come into force")


async def test_after_all_of_this_the_ledger_is_clean(world: World) -> None:
    assert (await world[0].services.database.read(ledger_verify.verify)).violations == ()
