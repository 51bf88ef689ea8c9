"""Too much at once is refused early, cheaply and fairly, and what is refused may come again (fault-cases 1.15, H99)."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from app.core.clock import Clock
from app.core.errors import Overloaded
from app.gateway.metrics import Metrics
from app.gateway.services import LoadLimits
from app.web.load import Load
from tests.security.sockets import connected
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLOCK = Clock()
MB = 2**20
GENERATIONS = "/v1/images/generations"
GOOD = {"model": "nano-banana", "prompt": "a fox"}


def load(**limits: float) -> Load:
    said = LoadLimits(**limits)  # type: ignore[arg-type]  # one type for all is enough here
    return Load(said, rng=random.Random(7), metrics=Metrics())


async def test_who_finds_no_place_waits_and_who_finds_no_room_to_wait_is_refused() -> None:
    account = load(running=1, waiting=1, wait_s=5)
    await account.enter(b"a")
    waiting = asyncio.create_task(account.enter(b"b"))
    await CLOCK.sleep(0)
    with pytest.raises(Overloaded) as refused:
        await account.enter(b"c")
    assert refused.value.should_retry is True
    assert 5 <= (refused.value.retry_after_s or 0) <= 30
    account.leave()
    await waiting
    assert (account.running, account.waiting) == (1, 0)


async def test_waiting_ends_and_leaves_no_place_taken() -> None:
    account = load(running=1, waiting=5, wait_s=0.01)
    await account.enter(b"a")
    with pytest.raises(Overloaded):
        await account.enter(b"b")
    account.leave()
    assert (account.running, account.waiting) == (0, 0)
    await account.enter(b"c")


async def test_a_client_that_leaves_while_waiting_takes_no_place() -> None:
    account = load(running=1, waiting=5)
    await account.enter(b"a")
    gone, stays = asyncio.create_task(account.enter(b"b")), asyncio.create_task(account.enter(b"c"))
    await CLOCK.sleep(0)
    gone.cancel()
    await CLOCK.sleep(0)
    account.leave()
    await stays
    account.leave()
    assert (account.running, account.waiting) == (0, 0)


async def test_a_place_given_to_one_that_leaves_at_that_moment_goes_on() -> None:
    account = load(running=1, waiting=5)
    await account.enter(b"a")
    gone, stays = asyncio.create_task(account.enter(b"b")), asyncio.create_task(account.enter(b"c"))
    await CLOCK.sleep(0)
    account.leave()
    gone.cancel()
    await stays
    account.leave()
    assert (account.running, account.waiting) == (0, 0)


async def test_places_go_round_among_the_keys_that_wait() -> None:
    """Fair between keys: who asks a hundred times does not keep out who asks once."""
    account, served = load(running=1, waiting=10), []

    async def ask(whose: str) -> None:
        await account.enter(whose.encode())
        served.append(whose)
        account.leave()

    await account.enter(b"x")
    asking = [asyncio.create_task(ask(whose)) for whose in ("greedy", "greedy", "greedy", "modest")]
    await CLOCK.sleep(0)
    account.leave()
    await asyncio.gather(*asking)
    assert served == ["greedy", "modest", "greedy", "greedy"]


async def test_bytes_are_counted_in_and_out_and_refused_before_they_are_held() -> None:
    account = load(body_bytes=100)
    account.hold(60)
    with pytest.raises(Overloaded):
        account.demand_room(41)
    with pytest.raises(Overloaded):
        account.hold(41)
    account.free(60)
    account.hold(100)
    assert account.bytes == 100


async def test_what_never_fits_is_left_to_the_route_that_says_413() -> None:
    load(body_bytes=100).demand_room(101)


def block_the_loop(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while loop.time() < until:
        pass


async def test_a_loop_that_stays_late_takes_no_more_work_until_it_has_caught_up() -> None:
    account = load(lag_s=0.05)
    await account.enter(b"a")
    for _ in range(3):
        block_the_loop(0.3)
        await CLOCK.sleep(0.01)
    with pytest.raises(Overloaded):
        await account.enter(b"b")
    async with asyncio.timeout(5):
        while account.lag_s > 0.05:
            await CLOCK.sleep(0.02)
    await account.enter(b"b")


async def test_one_stop_of_the_loop_is_no_overload() -> None:
    account = load(lag_s=0.15)
    await account.enter(b"a")
    block_the_loop(0.4)
    await CLOCK.sleep(0.01)
    await account.enter(b"b")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """A gateway with one place, and no room to wait for it."""
    async with running_gateway(tmp_path_factory.mktemp("load"), max_running=1, max_waiting=0) as gateway:
        yield gateway


async def test_a_full_gateway_says_503_and_leaves_no_trace(shared: Running) -> None:
    async with shared.client() as client:
        answers = await asyncio.gather(*(client.post(GENERATIONS, json=GOOD) for _ in range(5)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        for answer in refused:
            assert answer.json()["error"]["code"] == "overloaded"
            assert answer.headers["x-should-retry"] == "true"
            assert 5 <= int(answer.headers["retry-after"]) <= 30
            assert answer.headers["x-request-id"].startswith("req_")
        assert (await client.get("/v1/models")).status_code == 200
        assert (await client.post(GENERATIONS, json=GOOD)).status_code == 200
        assert len(await shared.paid_calls()) == 6 - len(refused)


@pytest.mark.parametrize("path", [GENERATIONS, "/v1/chat/completions"])
async def test_c45_bodies_that_do_not_arrive_take_nobodys_place(shared: Running, path: str) -> None:
    """Two hundred such uploads, of a client without money, once kept all others out for as long as they liked."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAuthorization: Bearer {shared.key}\r\n"
    )
    async with connected(shared.url) as first, connected(shared.url) as second, shared.client() as client:
        for slow in (first, second):
            await slow.send(head.encode() + b"Content-Length: 100\r\n\r\n{")
        await CLOCK.sleep(0.1)
        assert (await client.post(GENERATIONS, json=GOOD)).status_code == 200


async def test_a_body_without_room_is_503_whether_its_size_is_told_or_not(tmp_path: Path) -> None:
    """B14 with a full process: it is said before the first byte is read, and again when the last one was too many."""
    async with running_gateway(tmp_path, max_in_flight_mb=32) as gateway:
        await fill_and_ask(gateway)


async def fill_and_ask(gateway: Running) -> None:
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\n" % gateway.key.encode()
    )
    async with (
        connected(gateway.url) as first,
        connected(gateway.url) as second,
        connected(gateway.url) as told,
    ):
        for holding in (first, second):
            await holding.send(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % (14 * MB) + b"a" * 14 * MB)
        await CLOCK.sleep(0.2)
        await told.send(head + b"Content-Length: %d\r\n\r\n" % (10 * MB))
        answer = await told.answer()
        assert (answer.status, answer.error["code"]) == (503, "overloaded")
        await second.send(b"\r\n%x\r\n" % (5 * MB) + b"a" * 5 * MB)
        answer = await second.answer()
        assert (answer.status, answer.error["code"]) == (503, "overloaded")
