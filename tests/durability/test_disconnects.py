"""F3, G90: clients that leave at any point of a request, over real sockets: one charge or none, and the result is kept.

A vendor and a bucket that go step by step hold each point open until the client is gone.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from app.core.task import TaskStatus
from app.store import ledger, ledger_verify, tasks
from app.store.tasks import Task
from tests.support.buckets import CREDENTIALS
from tests.support.gateway import Running, make_key, running_gateway
from tests.support.steps import BUCKET_SETTINGS, MODEL, PRICE_UNITS, Steps, a_picture, running_steps

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]

LARGE = 1200
"""Pixels a side of a picture whose base64 no socket takes at once: the answer is still being written."""
WAIT_S = 60.0
PATHS = {"generations": "/v1/images/generations", "chat": "/v1/chat/completions", "tasks": "/v1/images/tasks"}


class Client:
    """One connection, spoken to in bytes, and left as by a program that is killed."""

    def __init__(self, key: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.key = key
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connected(cls, url: str, key: str) -> "Client":
        plain = socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        return cls(key, *await asyncio.open_connection(sock=plain, limit=2**14))

    def head(self, line: str, length: int = 0) -> bytes:
        lines = [f"{line} HTTP/1.1", "host: gateway.example", f"authorization: Bearer {self.key}"]
        if length:
            lines += ["content-type: application/json", f"content-length: {length}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def request(self, surface: str, prompt: str) -> tuple[bytes, bytes]:
        """Head and body of a request for one picture, in base64."""
        asked: dict[str, Any] = {"model": MODEL, "response_format": "b64_json"}
        if surface == "chat":
            asked |= {"stream": True, "messages": [{"role": "user", "content": prompt}]}
        else:
            asked["prompt"] = prompt
        body = json.dumps(asked).encode()
        return self.head(f"POST {PATHS[surface]}", len(body)), body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def ask(self, surface: str, prompt: str) -> None:
        head, body = self.request(surface, prompt)
        await self.send(head + body)

    def leave(self) -> None:
        """The connection is reset: nothing of the answer will be read."""
        plain = self.writer.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class World:
    """A gateway between a vendor that waits, and a client with an account of its own that leaves."""

    def __init__(self, gateway: Running, steps: Steps, account_id: str, key: str, surface: str, prompt: str) -> None:
        self.gateway = gateway
        self.steps = steps
        self.account_id = account_id
        self.key = key
        self.surface = surface
        self.prompt = prompt

    async def client(self) -> Client:
        return await Client.connected(self.gateway.url, self.key)

    async def until(self, holds: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not await holds():
                await self.gateway.services.clock.sleep(0.02)

    async def tasks(self) -> tuple[Task, ...]:
        read = self.gateway.services.database.read
        return (await read(lambda tx: tasks.list_page(tx, account_id=self.account_id))).items

    async def one(self, *, ended: bool) -> Task:
        """The account's only task, when it is there, or has ended."""

        async def there() -> bool:
            return any(task.status.terminal or not ended for task in await self.tasks())

        await self.until(there)
        (task,) = await self.tasks()
        return task

    async def ask_and_reach(self, step: str) -> Client:
        """A client whose request is held at this step."""
        self.steps.hold(step)
        client = await self.client()
        await client.ask(self.surface, self.prompt)
        await self.steps.reached(step)
        return client


async def before_the_head_ends(world: World) -> None:
    client = await world.client()
    await client.send(client.request(world.surface, world.prompt)[0][:60])
    client.leave()


async def in_the_body(world: World) -> None:
    client = await world.client()
    head, body = client.request(world.surface, world.prompt)
    await client.send(head + body[:20])
    client.leave()


async def when_it_is_admitted_and_waits_for_a_place(world: World) -> None:
    world.steps.hold("create")
    other = await Client.connected(world.gateway.url, await world.gateway.new_key())
    await other.ask("generations", "takes the only place")
    await world.steps.reached("create")
    client = await world.client()
    await client.ask(world.surface, world.prompt)
    await world.one(ended=False)
    client.leave()
    other.leave()
    world.steps.done = True


async def when_the_vendor_was_asked(world: World) -> None:
    world.steps.done = True
    (await world.ask_and_reach("create")).leave()


async def while_it_is_polled(world: World) -> None:
    (await world.ask_and_reach("poll")).leave()
    world.steps.done = True


async def while_the_picture_is_fetched(world: World) -> None:
    world.steps.done = True
    (await world.ask_and_reach("file")).leave()


async def while_the_picture_is_stored(world: World) -> None:
    world.steps.done = True
    (await world.ask_and_reach("store")).leave()


async def when_it_is_settled_and_not_read(world: World) -> None:
    world.steps.done = True
    client = await world.client()
    await client.ask(world.surface, world.prompt)
    await world.one(ended=True)
    client.leave()


async def in_the_answer(world: World) -> None:
    world.steps.done, world.steps.picture = True, a_picture(LARGE)
    client = await world.client()
    await client.ask(world.surface, world.prompt)
    assert await client.reader.readexactly(12) in (b"HTTP/1.1 200", b"HTTP/1.1 202")
    client.leave()


async def on_a_connection_that_was_used_before(world: World) -> None:
    world.steps.done = True
    client = await world.client()
    await client.send(client.head("GET /healthz"))
    answer = await client.reader.readuntil(b"}")
    assert answer.startswith(b"HTTP/1.1 200")
    world.steps.hold("create")
    await client.ask(world.surface, world.prompt)
    await world.steps.reached("create")
    client.leave()


Outcome = Literal["nothing", "done"]
Phase = Callable[[World], Coroutine[Any, Any, None]]
PHASES: dict[Phase, Outcome] = {
    before_the_head_ends: "nothing",
    in_the_body: "nothing",
    when_it_is_admitted_and_waits_for_a_place: "done",
    when_the_vendor_was_asked: "done",
    while_it_is_polled: "done",
    while_the_picture_is_fetched: "done",
    while_the_picture_is_stored: "done",
    when_it_is_settled_and_not_read: "done",
    in_the_answer: "done",
    on_a_connection_that_was_used_before: "done",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Running, Steps]]:
    async with running_steps() as steps:
        settings: dict[str, Any] = {**BUCKET_SETTINGS, "media_s3_endpoint": steps.url}
        source, directory = steps.source(concurrency=1), tmp_path_factory.mktemp("gateway")
        async with running_gateway(directory, source=source, env=CREDENTIALS, **settings) as gateway:
            yield gateway, steps
            steps.let_go()


@pytest.mark.parametrize("surface", PATHS)
@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
async def test_g90_a_client_that_leaves_pays_once_or_not_at_all(
    running: tuple[Running, Steps], phase: Phase, surface: str
) -> None:
    gateway, steps = running
    steps.done, steps.picture = False, a_picture(1)
    account_id, key = await make_key(gateway.services, 10 * PRICE_UNITS)
    world = World(gateway, steps, account_id, key, surface, f"{phase.__name__} on {surface}")
    try:
        await phase(world)
    finally:
        steps.let_go()
    expected = PHASES[phase]
    if expected == "done":
        await check_done(world)
    steps.done = True
    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
        # Whoever comes next gets the vendor's only place, and the account has what was not charged.
        again = await client.post(PATHS["generations"], json={"model": MODEL, "prompt": "next"})
    assert again.status_code == 200, again.text
    assert again.json()["oneshape"]["units"] == PRICE_UNITS
    assert len(await world.tasks()) == (2 if expected == "done" else 1)
    assert steps.created.count(world.prompt) == (1 if expected == "done" else 0)
    assert (await gateway.services.database.read(ledger_verify.verify)).violations == ()


async def check_done(world: World) -> None:
    """It was drawn, charged once, and its picture is where its task is."""
    task = await world.one(ended=True)
    assert (task.status, task.units) == (TaskStatus.SUCCEEDED, PRICE_UNITS)
    page = await world.gateway.services.database.read(lambda tx: ledger.entries(tx, charge_id=task.id))
    assert [entry.kind for entry in page.items] == ["capture", "hold"]
    async with world.gateway.client(headers={"authorization": f"Bearer {world.key}"}) as client:
        data = (await client.get(f"{PATHS['tasks']}/{task.id}")).json()["data"]
        assert (await client.get(data["result_url"])).content == world.steps.picture
