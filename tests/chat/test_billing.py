"""Text is paid for to the token: never without an answer, never beyond a budget, never twice (G85, G90, F82, L4)."""

import asyncio
import json
from typing import Any

import pytest

from tests.chat.vendor import (
    CUT,
    DONE,
    SAID,
    USAGE,
    WORDS,
    Payer,
    Script,
    Vendor,
    World,
    chunk,
    completion,
    streamed,
    whole,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAM: dict[str, Any] = {**SAID, "stream": True}
HELD = len(json.dumps(SAID)) + 4 * 1000
"""At most a token per byte of the body at 1 unit, and the model's 1,000 output tokens at 4."""


async def test_the_most_it_can_cost_is_held_before_the_vendor_is_asked_and_the_exact_cost_is_captured(
    shared: World, vendor: Vendor
) -> None:
    payer = await shared.new_account()
    seen_at_the_vendor: list[int] = []
    loop = asyncio.get_running_loop()

    async def look() -> None:
        seen_at_the_vendor.append(len(await payer.entries()))

    def reply(_: object) -> Script:
        looking.append(loop.create_task(look()))
        return [0.1, *whole(completion(usage=(20, 9, 8)))]

    looking: list[asyncio.Task[None]] = []
    vendor.reply = reply
    response = await payer.post()
    await looking[0]
    cost = 12 + 2 + 4 * 9  # 12 fresh tokens at 1, 8 cached at 0.25, 9 output tokens at 4
    assert seen_at_the_vendor == [1]
    assert await payer.entries() == [("hold", HELD), ("capture", cost)]
    assert response.json()["oneshape"] == {"units": cost, "estimated": False}
    (chat,) = await payer.chats()
    assert (chat.input_tokens, chat.cached_input_tokens, chat.output_tokens) == (20, 8, 9)
    assert (chat.units, chat.cost_units, chat.exposure_units, chat.estimated) == (cost, 28, 0, False)
    assert (chat.vendor, chat.vendor_model, chat.outcome) == ("first", "secret-vendor-model", "succeeded")
    await payer.verify()


async def test_what_the_client_allows_bounds_the_hold(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    await payer.post({**SAID, "max_completion_tokens": 50, "max_tokens": 900, "n": 2})
    holds = [units for kind, units in await payer.entries() if kind == "hold"]
    assert holds == [len(vendor.received[0].body) - 7 + 4 * 100]  # the vendor's name for the model is longer


async def test_an_unlimited_account_is_charged_at_once(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account("unlimited")
    await payer.post()
    assert await payer.entries() == [("hold", 56), ("capture", 56)]
    await payer.verify()


async def test_a_price_per_request_is_charged_once_per_answer(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    await payer.post({**SAID, "model": "per-request"})
    assert await payer.entries() == [("hold", 10_000), ("capture", 10_000)]


async def test_the_record_is_committed_before_the_last_byte_leaves(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: streamed(*WORDS, USAGE, DONE)
    async with payer.client() as client, client.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        async for piece in response.aiter_raw():
            if DONE in piece:
                assert (await payer.entries())[-1] == ("capture", 20 + 4 * 3)
                break
        else:
            pytest.fail("the stream did not end")


@pytest.mark.parametrize("stream", [False, True])
async def test_who_cannot_pay_is_refused_and_no_vendor_is_asked(shared: World, vendor: Vendor, stream: bool) -> None:
    payer = await shared.new_account(units=HELD - 1)
    response = await payer.post({**SAID, "stream": stream} if stream else SAID)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error["code"]) == (402, "insufficient_quota", "insufficient_balance")
    assert response.headers["x-should-retry"] == "false"
    assert vendor.received == []
    assert await payer.entries() == []
    assert await payer.chats() == []


async def test_a_budget_admits_exactly_as_many_as_it_can_pay_for(shared: World, vendor: Vendor) -> None:
    budget = {"units": 3 * HELD + 10, "period": "total"}
    payer = await shared.new_account("unlimited", budget=budget, concurrency=1000)
    vendor.reply = lambda _: [0.3, *whole(completion(usage=(67, 1000)))]
    responses = await asyncio.gather(*[payer.post() for _ in range(20)])
    assert sorted(response.status_code for response in responses) == [200] * 3 + [402] * 17
    assert {r.json()["error"]["code"] for r in responses if r.status_code == 402} == {"budget_exceeded"}
    assert len(vendor.received) == 3
    assert (await payer.post()).status_code == 402
    await payer.verify()


async def test_more_usage_than_was_held_is_ours_to_bear(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: whole(completion(usage=(20, 5_000)))
    await payer.post()
    assert await payer.entries() == [("hold", HELD), ("capture", HELD)]
    (chat,) = await payer.chats()
    assert (chat.output_tokens, chat.cost_units) == (5_000, 10 + 10_000)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        {"prompt_tokens": None, "completion_tokens": 3},
        {"prompt_tokens": 20},
        {"prompt_tokens": -20, "completion_tokens": 3},
        {"prompt_tokens": "20", "completion_tokens": "3"},
        {"prompt_tokens": 10**18, "completion_tokens": 3},
        {"prompt_tokens": 1.5, "completion_tokens": True},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_usage_that_is_missing_or_makes_no_sense_is_estimated_and_flagged(
    shared: World, vendor: Vendor, usage: Any, stream: bool
) -> None:
    payer = await shared.new_account()
    said = WORDS if usage is None else (*WORDS, chunk(usage=usage))
    vendor.reply = lambda _: streamed(*said, DONE) if stream else whole(completion(usage=usage))
    assert (await payer.post({**SAID, "stream": stream})).status_code == 200
    (chat,) = await payer.chats()
    capture = (await payer.ledger())[-1]
    assert (chat.estimated, capture.kind, capture.estimated) == (True, "capture", True)
    assert 0 < chat.units == capture.units <= 200
    assert 15 <= chat.input_tokens <= 25
    await payer.verify()


@pytest.mark.parametrize(("words", "tokens"), [(1, 0), (2, 1), (4, 3)])
async def test_a_cut_stream_is_charged_for_what_was_relayed(
    shared: World, vendor: Vendor, words: int, tokens: int
) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: streamed(b"".join(WORDS[:words]), 0.05, CUT)
    response = await payer.post(STREAM)
    assert response.content.count(b"chat.completion.chunk") == words
    (chat,) = await payer.chats()
    assert (chat.output_tokens, chat.estimated, chat.outcome) == (tokens, True, "upstream_error")
    assert (await payer.entries())[-1] == ("capture", chat.units)
    assert chat.units == chat.input_tokens + 4 * tokens
    await payer.verify()


async def test_a_cut_stream_that_told_its_usage_is_charged_by_it(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: streamed(*WORDS, USAGE, 0.05, CUT)
    response = await payer.post(STREAM)
    assert response.content.endswith(DONE)
    assert b'"error"' not in response.content
    (chat,) = await payer.chats()
    assert (chat.units, chat.estimated, chat.outcome) == (32, False, "succeeded")


@pytest.mark.parametrize("stream", [False, True])
async def test_no_answer_is_not_charged_and_what_the_vendor_may_bill_is_booked(
    shared: World, vendor: Vendor, stream: bool
) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: [CUT]
    response = await payer.post({**SAID, "stream": stream})
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_error")
    assert response.headers["x-should-retry"] == "false"
    assert [kind for kind, _ in await payer.entries()] == ["hold", "release"]
    (chat,) = await payer.chats()
    assert (chat.units, chat.cost_units, chat.outcome) == (0, 0, "upstream_error")
    assert chat.exposure_units > 2_000
    await payer.verify()


async def _leave(payer: Payer, vendor: Vendor, after_s: float, body: dict[str, Any]) -> None:
    """Posts, and leaves so long after the vendor was asked."""
    async with payer.client() as client:
        posting = asyncio.ensure_future(client.post("/v1/chat/completions", json=body))
        await vendor.asked.wait()
        await asyncio.sleep(after_s)  # noqa: TID251 -- a client leaves in real time
        posting.cancel()
        await asyncio.wait({posting})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2])
async def test_a_client_that_leaves_pays_what_the_vendor_reports(
    shared: World, vendor: Vendor, stream: bool, after_s: float
) -> None:
    payer = await shared.new_account()
    slow = [0.08, *streamed(WORDS[0], 0.08, WORDS[1], 0.08, *WORDS[2:], USAGE, DONE)]
    vendor.reply = lambda _: slow if stream else [0.3, *whole(completion(usage=(20, 3)))]
    await _leave(payer, vendor, after_s, {**SAID, "stream": stream})
    for _ in range(500):
        if await payer.chats():
            break
        await asyncio.sleep(0.02)  # noqa: TID251 -- the gateway finishes in real time
    assert vendor.hangups == 0
    (chat,) = await payer.chats()
    assert (chat.units, chat.estimated, chat.outcome) == (32, False, "succeeded")
    assert (await payer.entries())[-1] == ("capture", 32)
    await payer.verify()
