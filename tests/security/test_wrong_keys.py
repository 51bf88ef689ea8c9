"""Guessing keys: slowed down by address, without costs for those who have the right one (A2, A7, A9, C42)."""

from pathlib import Path

import httpx
import pytest

from app.core.clock import Clock
from app.web.wrong_keys import WrongKeys
from tests.support.gateway import ADMIN_KEY, running_gateway


class StillClock(Clock):
    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


def counted(clock: StillClock, times: int, address: str = "192.0.2.1", keys: WrongKeys | None = None) -> WrongKeys:
    keys = keys or WrongKeys(per_minute=20, clock=clock)
    for _ in range(times):
        keys.failed(address)
    return keys


def test_twenty_wrong_keys_in_a_minute_are_told_so_and_more_are_refused(clock: StillClock) -> None:
    """A9."""
    keys = counted(clock, 20)
    assert keys.failed("192.0.2.1") == 60
    assert keys.failed("192.0.2.2") is None


def test_wrong_keys_that_come_slowly_are_never_refused(clock: StillClock) -> None:
    keys = WrongKeys(per_minute=20, clock=clock)
    for _ in range(100):
        clock.time += 4
        assert keys.failed("192.0.2.1") is None


def test_each_further_excess_doubles_the_time_up_to_a_quarter_of_an_hour(clock: StillClock) -> None:
    """A9."""
    keys, blocks = WrongKeys(per_minute=20, clock=clock), []
    for _ in range(6):
        counted(clock, 20, keys=keys)
        block_s = keys.failed("192.0.2.1")
        assert block_s is not None
        blocks.append(block_s)
        clock.time += block_s
    assert blocks == [60, 120, 240, 480, 900, 900]


def test_an_address_that_was_quiet_begins_anew(clock: StillClock) -> None:
    keys = counted(clock, 21)
    clock.time += 60 + 900
    counted(clock, 20, keys=keys)
    assert keys.failed("192.0.2.1") == 60


def test_one_host_does_not_escape_into_its_own_ipv6_network(clock: StillClock) -> None:
    """C42."""
    keys = WrongKeys(per_minute=20, clock=clock)
    waits = [keys.failed(f"2001:db8:0:1::{n:x}") for n in range(1, 22)]
    assert waits[-1] == 60
    assert keys.failed("2001:db8:0:2::1") is None
    assert keys.failed("::ffff:192.0.2.9") is None


def test_remembered_addresses_are_bounded(clock: StillClock) -> None:
    keys = counted(clock, 20)
    for n in range(10_000):
        keys.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert keys.failed("192.0.2.1") is None


FORGED = {
    "x-forwarded-for": "203.0.113.%d",
    "forwarded": "for=203.0.113.%d",
    "x-real-ip": "203.0.113.%d",
    "cf-connecting-ip": "203.0.113.%d",
}


async def test_a_spray_is_429_while_the_right_keys_of_that_address_are_served(tmp_path: Path) -> None:
    """A9, C42: a hundred wrong keys, each with another forged address in every header that proxies use."""
    async with running_gateway(tmp_path, wrong_keys_per_minute=20) as gateway, gateway.client() as client:
        answers = []
        for n in range(100):
            headers = {name: value % n for name, value in FORGED.items()} | {"authorization": f"Bearer sk-{n:043}"}
            path = ("/v1/models", "/v1/chat/completions", "/v1beta/models")[n % 3]
            answers.append(await client.request("POST" if "chat" in path else "GET", path, headers=headers, json={}))
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 80
        assert answers[-1].headers["x-should-retry"] == "false"
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await client.get("/v1/models")).status_code == 200
        admin = {"authorization": f"Bearer {ADMIN_KEY}"}
        assert (await client.get("/admin/accounts", headers=admin)).status_code == 200


async def test_guessing_the_admin_key_is_slowed_down_too(tmp_path: Path) -> None:
    """A9."""
    async with running_gateway(tmp_path, wrong_keys_per_minute=5) as gateway, gateway.client() as client:
        guesses = [{"authorization": f"Bearer adm-{n:032}"} for n in range(8)]
        answers = [await client.get("/admin/accounts", headers=guess) for guess in guesses]
    assert [answer.status_code for answer in answers] == [403] * 5 + [429] * 3


async def test_what_is_no_wrong_key_is_not_counted(tmp_path: Path) -> None:
    async with running_gateway(tmp_path, wrong_keys_per_minute=1) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url) as client:
            assert [(await client.get("/v1/models")).status_code for _ in range(5)] == [401] * 5
        restricted = await gateway.new_key(models=["nano-banana"])
        body = {"model": "nano-banana-pro-2k", "prompt": "a fox"}
        async with gateway.client(headers={"authorization": f"Bearer {restricted}"}) as client:
            answers = [(await client.post("/v1/images/generations", json=body)).status_code for _ in range(5)]
    assert answers == [403] * 5
