"""Deliveries against a real receiver, on both databases: tried for a day under one id, redirected nowhere (D57)."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.clock import Clock
from app.media.door import Door
from app.media.guard import AddressPolicy, SystemResolver
from app.media.transport import ExactTransport
from app.store import accounts, outbox
from app.store.database import Database
from app.store.outbox import Delivery
from app.worker.webhooks import HOST_MAX, PAUSES_S, Deliveries, DeliveryLimits, HostPlaces
from tests.store.rows import NOW, a_task, add_account, admit
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)
from tests.support.receiver import Receiver, running_receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class HandClock(Clock):
    time = NOW

    def now(self) -> float:
        return self.time


@pytest.fixture
async def world(database: Database) -> AsyncIterator["World"]:  # noqa: F811 - the fixture
    resolver, transport = SystemResolver(), ExactTransport()
    door = Door(AddressPolicy(["127.0.0.0/8"]), resolver=resolver, transport=transport)
    async with running_receiver() as receiver:
        yield World(database, receiver, door)
    await transport.aclose()
    resolver.close()


class World:
    """A database with one account and one delivery due, and the deliveries that send it."""

    def __init__(self, database: Database, receiver: Receiver, door: Door) -> None:  # noqa: F811 - the value
        self.database = database
        self.receiver = receiver
        self.clock = HandClock()
        self.deliveries = Deliveries(
            database=database, clock=self.clock, door=door, rng=random.Random(1), limits=DeliveryLimits(tries=3)
        )

    async def begin(self, url: str | None = None) -> None:
        def unit(tx: Any) -> None:
            add_account(tx, units=100)
            accounts.patch(tx, "acc_1", {"webhook_secret": SECRET, "webhook_url": f"{self.receiver.url}/hook"})
            admit(tx, a_task())
            target = url or f"{self.receiver.url}/hook"
            outbox.enqueue(tx, Delivery("msg_1", "task_1", "acc_1", "image.task.failed", target, {"a": 1}, NOW, NOW))

        await self.database.write(unit)

    async def delivery(self) -> Delivery:
        found = await self.database.read(lambda tx: outbox.get(tx, "msg_1"))
        assert found is not None
        return found


async def test_a_receiver_that_fails_is_tried_again_under_the_same_id_and_then_given_up(world: World) -> None:
    await world.begin()
    world.receiver.answers[:] = [500, 302, 503]
    for pause in PAUSES_S[:3]:
        assert await world.deliveries.deliver_due() == 1
        assert await world.deliveries.deliver_due() == 0
        world.clock.time += pause * 1.2
    assert (await world.delivery()).state == "failed"
    assert {got.headers["webhook-id"] for got in world.receiver.received} == {"msg_1"}
    assert len(world.receiver.received) == 3
    assert len({got.body for got in world.receiver.received}) == 1


async def test_d57_what_is_delivered_is_not_sent_again_until_an_operator_says_so(world: World) -> None:
    await world.begin()
    await world.deliveries.deliver_due()
    world.clock.time += 100_000
    assert await world.deliveries.deliver_due() == 0
    assert (await world.delivery()).state == "delivered"
    await world.database.write(lambda tx: outbox.redeliver(tx, "msg_1", at=world.clock.time))
    assert await world.deliveries.deliver_due() == 1
    assert [got.headers["webhook-id"] for got in world.receiver.received] == ["msg_1", "msg_1"]


async def test_a_410_ends_the_delivery_and_takes_the_url_off_the_account(world: World) -> None:
    await world.begin()
    world.receiver.answers[:] = [410]
    await world.deliveries.deliver_due()
    assert (await world.delivery()).state == "failed"
    account = await world.database.read(lambda tx: accounts.get(tx, "acc_1"))
    assert account is not None
    assert account.webhook_url is None


async def test_d47_a_target_inside_is_never_reached(world: World) -> None:
    await world.begin("http://10.0.0.1/hook")
    await world.deliveries.deliver_due()
    delivery = await world.delivery()
    assert (delivery.state, delivery.last_status, delivery.attempts) == ("pending", None, 1)


async def test_d57_a_host_has_four_deliveries_at_once_and_is_forgotten_when_they_are_over() -> None:
    places, go = HostPlaces(), asyncio.Event()
    inside: list[str] = []

    async def deliver(host: str) -> None:
        async with places.place(host):
            inside.append(host)
            await go.wait()

    running = [asyncio.create_task(deliver(host)) for host in ["slow.example"] * 6 + ["other.example"]]
    running[5].cancel()
    await asyncio.wait(running, timeout=0)
    await asyncio.wait(running[5:6])
    assert sorted(inside) == ["other.example"] + ["slow.example"] * HOST_MAX
    go.set()
    await asyncio.wait(running)
    assert (inside.count("slow.example"), len(places)) == (5, 0)


async def test_a_replaced_secret_signs_beside_the_new_one_until_its_day_is_over(world: World) -> None:
    await world.begin()
    old = {"webhook_secret_old": "whsec_" + "QUFB" * 8, "webhook_secret_old_until": NOW + 10}
    await world.database.write(lambda tx: accounts.patch(tx, "acc_1", old))
    await world.deliveries.deliver_due()
    await world.database.write(lambda tx: outbox.redeliver(tx, "msg_1", at=NOW))
    world.clock.time = NOW + 11
    await world.deliveries.deliver_due()
    signatures = [got.headers["webhook-signature"].split(" ") for got in world.receiver.received]
    assert [len(one) for one in signatures] == [2, 1]
    assert all(part.startswith("v1,") for one in signatures for part in one)
