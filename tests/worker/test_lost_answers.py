"""A database that goes away in the middle of a request: what the client is told never makes it pay twice (H96, L5)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from app.core.task import TaskStatus
from app.store import ledger_verify, tasks
from app.store.tasks import Task
from tests.support.databases import postgresql_copy, postgresql_template  # noqa: F401 - fixtures are found by name
from tests.support.gateway import ADMIN_KEY, SECRET_KEY, Running, running_gateway
from tests.support.relay import Relay, relaying
from tests.support.steps import MODEL, PRICE_UNITS, Steps, running_steps

pytestmark = pytest.mark.timeout(300)

GENERATIONS = "/v1/images/generations"
TASKS = "/v1/images/tasks"
ENDED_S = 60.0


class World:
    """A gateway whose database is behind a relay, and a vendor that goes step by step."""

    def __init__(self, gateway: Running, relay: Relay, steps: Steps) -> None:
        self.gateway = gateway
        self.relay = relay
        self.steps = steps

    async def post(self, path: str, prompt: str, **headers: str) -> Any:
        async with self.gateway.client(headers=headers) as client:
            return await client.post(path, json={"model": MODEL, "prompt": prompt})

    async def the_task(self) -> Task:
        """The only task there is, when it has ended."""
        database, clock = self.gateway.services.database, self.gateway.services.clock
        async with asyncio.timeout(ENDED_S):
            while True:
                (task,) = (await database.read(tasks.list_page)).items
                if task.status.terminal:
                    assert (await database.read(ledger_verify.verify)).violations == ()
                    return task
                await clock.sleep(0.1)


@pytest.fixture
async def world(postgresql_copy: str, tmp_path: Path) -> AsyncIterator[World]:  # noqa: F811 - the fixture
    url = make_url(postgresql_copy)
    assert url.host is not None
    async with relaying(url.host, url.port or 5432) as relay, running_steps() as steps:
        through = url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
        secrets: dict[str, Any] = {"admin_key": ADMIN_KEY, "secret_key": SECRET_KEY}
        beats: dict[str, Any] = {"task_lease_s": 3, "task_heartbeat_s": 1, "task_sweep_s": 1}
        async with running_gateway(
            tmp_path, database_url=through, source=steps.source(), **secrets, **beats
        ) as gateway:
            try:
                yield World(gateway, relay, steps)
            finally:
                relay.heal()


async def test_a_request_whose_admission_was_committed_and_not_answered_is_undone(world: World) -> None:
    world.relay.lose_commit_of(b"taken in")
    answer = await world.post(GENERATIONS, "taken in")
    task = await world.the_task()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
    assert "charged" not in answer.text
    assert answer.json()["oneshape"]["task_id"] == task.id
    assert (task.status, task.units) == (TaskStatus.CANCELLED, 0)
    assert world.steps.created == []


async def test_where_a_repeat_may_join_it_is_done_once_and_the_repeat_gets_it(world: World) -> None:
    world.steps.done = True
    world.relay.lose_commit_of(b"taken in")
    refused = await world.post(GENERATIONS, "taken in", **{"idempotency-key": "once"})
    answer = await world.post(GENERATIONS, "taken in", **{"idempotency-key": "once"})
    task = await world.the_task()
    assert (refused.status_code, refused.headers["x-should-retry"]) == (503, "true")
    assert (answer.status_code, answer.json()["oneshape"]["task_id"]) == (200, task.id)
    assert (task.status, task.units) == (TaskStatus.SUCCEEDED, PRICE_UNITS)
    assert world.steps.created == ["taken in"]


async def test_a_task_that_was_taken_in_and_not_promised_is_cancelled_or_done_but_never_twice(world: World) -> None:
    world.steps.done = True
    world.relay.lose_commit_of(b"taken in")
    answer = await world.post(TASKS, "taken in")
    task = await world.the_task()
    assert answer.status_code == 503
    paid = task.status is TaskStatus.SUCCEEDED
    assert (task.units, world.steps.created) == ((PRICE_UNITS, ["taken in"]) if paid else (0, []))


async def test_a_client_whose_vendor_was_asked_is_not_told_to_try_again_while_the_database_is_away(
    world: World,
) -> None:
    world.steps.hold("create")
    asking = asyncio.create_task(world.post(GENERATIONS, "drawn meanwhile"))
    await world.steps.reached("create")
    world.relay.cut()
    world.steps.done = True
    world.steps.let_go()
    await world.gateway.services.clock.sleep(2.0)
    assert not asking.done()
    world.relay.heal()
    answer = await asking
    task = await world.the_task()
    assert (answer.status_code, task.status, task.units) == (200, TaskStatus.SUCCEEDED, PRICE_UNITS)
    assert answer.json()["oneshape"]["task_id"] == task.id


async def test_a_request_whose_intent_was_not_recorded_is_done_by_the_next_owner_and_answered(world: World) -> None:
    world.steps.done = True
    world.relay.lose_commit_of(b"att_")
    answer = await world.post(GENERATIONS, "intended")
    task = await world.the_task()
    assert (answer.status_code, task.status, task.units) == (200, TaskStatus.SUCCEEDED, PRICE_UNITS)
    assert world.steps.created == ["intended"]
