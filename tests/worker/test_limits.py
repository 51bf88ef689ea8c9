"""What a key may do at once and in a minute, over real sockets, on both databases where the database decides."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.core.clock import Clock
from app.gateway.caller import Caller
from app.gateway.limits import RateLimits
from app.store.accounts import Account
from app.store.keys import Key
from app.web.rate import duration
from tests.support.gateway import Running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = {"model": "nano-banana@uniall-tasks", "prompt": "a cube"}
KEY = Key("key_1", "acc_1", "Test", "hash", "abcd", 0.0, requests_per_minute=3)
CALLER = Caller(KEY, Account("acc_1", "Test", "prepaid", 0.0))


class HandClock(Clock):
    def __init__(self) -> None:
        self.time = 1000.0

    def monotonic(self) -> float:
        return self.time


async def post(gateway: Running, key: str, path: str, body: dict[str, Any], **headers: str) -> Any:
    async with gateway.client(headers={"authorization": f"Bearer {key}", **headers}) as client:
        return await client.post(path, json=body)


async def test_t12_no_more_requests_of_a_key_run_at_once_than_it_may_have(gateway: Running) -> None:
    key = await gateway.new_key(concurrency=3)
    answers = await asyncio.gather(*(post(gateway, key, "/v1/images/generations", SLOW) for _ in range(10)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert [answer.status_code for answer in answers].count(200) == 3
    assert {answer.json()["error"]["code"] for answer in refused} == {"concurrency_limit_exceeded"}
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)


async def test_t12_queued_tasks_wait_for_their_keys_turn(gateway: Running) -> None:
    key = await gateway.new_key(concurrency=1)
    created = [await post(gateway, key, "/v1/images/tasks", SLOW) for _ in range(2)]
    paths = [answer.headers["location"] for answer in created]
    async with gateway.client(headers={"authorization": f"Bearer {key}"}) as client:
        for _ in range(20):
            states = [(await client.get(path)).json()["data"]["status"] for path in paths]
            assert states.count("in_progress") <= 1
            await gateway.services.clock.sleep(0.02)
        ended = [(await client.get(f"{path}?wait=20")).json()["data"] for path in paths]
    assert [one["status"] for one in ended] == ["succeeded", "succeeded"]
    assert ended[0]["finished_at"] <= ended[1]["started_at"]


async def test_every_authenticated_request_counts_refused_ones_too(gateway: Running) -> None:
    key = await gateway.new_key(requests_per_minute=3)
    answers = [
        await post(gateway, key, "/v1/images/generations", {"model": "unknown", "prompt": "x"}),
        await post(gateway, key, "/v1/chat/completions", {"model": "unknown", "messages": []}),
        await post(gateway, key, "/v1beta/models/unknown:generateContent", {}),
        await post(gateway, key, "/v1/images/tasks", SLOW),
    ]
    assert [answer.status_code for answer in answers[:3]].count(429) == 0
    assert [answer.headers["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0", "0"]
    assert answers[3].status_code == 429
    assert answers[3].json()["error"]["code"] == "rate_limit_exceeded"
    assert answers[3].headers["x-ratelimit-limit-requests"] == "3"
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60


async def test_a_request_for_pictures_through_chat_counts_once(gateway: Running) -> None:
    key = await gateway.new_key(requests_per_minute=3)
    body = {"model": "nano-banana@ccapi", "messages": [{"role": "user", "content": "a cube"}]}
    answer = await post(gateway, key, "/v1/chat/completions", body)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining-requests"]) == (200, "2")


async def test_a_key_without_a_limit_is_told_none(gateway: Running) -> None:
    answer = await post(gateway, gateway.key, "/v1/images/generations", {"model": "unknown", "prompt": "x"})
    assert "x-ratelimit-limit-requests" not in answer.headers


async def test_g94_no_sixty_seconds_have_more_than_the_limit_wherever_they_begin() -> None:
    clock = HandClock()
    rates = RateLimits(clock)
    passed: list[float] = []
    for step in range(400):
        clock.time = 1000.0 + step * 0.7
        allowance = await rates.count(CALLER)
        assert allowance is not None
        if allowance.retry_after_s is None:
            passed.append(clock.time)
    assert all(len([at for at in passed if start <= at < start + 60]) <= 3 for start in passed)
    assert len(passed) == 3 * 5


async def test_after_the_seconds_told_the_next_request_passes() -> None:
    clock = HandClock()
    rates = RateLimits(clock)
    for _ in range(3):
        await rates.count(CALLER)
        clock.time += 10
    refused = await rates.count(CALLER)
    assert refused is not None
    assert refused.retry_after_s is not None
    assert refused.retry_after_s == pytest.approx(30)
    clock.time += refused.retry_after_s
    allowed = await rates.count(CALLER)
    assert allowed is not None
    assert allowed.retry_after_s is None


async def test_a_lowered_limit_holds_at_once() -> None:
    rates = RateLimits(HandClock())
    for _ in range(3):
        await rates.count(CALLER)
    lowered = await rates.count(Caller(replace(KEY, requests_per_minute=1), CALLER.account))
    assert lowered is not None
    assert lowered.retry_after_s is not None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.012, "12ms"), (1.5, "1.5s"), (60.0, "1m0s"), (361.0, "6m1s"), (-1.0, "0ms")]
)
async def test_durations_are_written_as_openai_writes_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
