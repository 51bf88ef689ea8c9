"""One Idempotency-Key is one vendor call, one charge and one answer, however often a text request is sent (G87, L7)."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from app.gateway.idempotency import fingerprint_of
from app.store import idempotency
from app.store.idempotency import BODY_BYTES_MAX
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
    world,
)
from tests.support.databases import postgresql_copy, postgresql_template  # noqa: F401 - fixtures are found by name
from tests.support.gateway import ADMIN_KEY, SECRET_KEY

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
STREAM: dict[str, Any] = {**SAID, "stream": True}


async def send(payer: Payer, key: str, body: dict[str, Any] | bytes = SAID, **headers: str) -> httpx.Response:
    """One request with a key, read to its end."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    said = {"content-type": "application/json", "idempotency-key": key, **headers}
    async with payer.client() as client:
        response: httpx.Response = await client.post(CHAT, content=content, headers=said)
        return response


def told(response: httpx.Response) -> tuple[int, dict[str, str], bytes]:
    """All of an answer but what belongs to one transmission: its date and its request's own id."""
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "x-request-id")}
    return response.status_code, headers, response.content


def refusal(response: httpx.Response) -> tuple[int, str]:
    code: str = response.json()["error"]["code"]
    return response.status_code, code


@pytest_asyncio.fixture(loop_scope="module")
async def payer(shared: World, vendor: Vendor) -> AsyncIterator[Payer]:
    """A payer whose ledger is in order when the test is over."""
    made = await shared.new_account()
    yield made
    await made.verify()


async def twenty_at_once(payer: Payer, vendor: Vendor, body: dict[str, Any], reply: Script) -> None:
    vendor.reply = lambda _: [0.1, *reply]
    answers = await asyncio.gather(*(send(payer, "twenty", body) for _ in range(20)))
    later = await send(payer, "twenty", body)
    assert answers[0].status_code == 200, answers[0].text
    assert [told(answer) for answer in (*answers, later)] == [told(answers[0])] * 21
    assert len(vendor.received) == 1
    assert [kind for kind, _ in await payer.entries()] == ["hold", "capture"]
    assert len(await payer.chats()) == 1


async def test_f4_g87_twenty_at_once_are_one_call_one_charge_and_twenty_equal_answers(
    payer: Payer, vendor: Vendor
) -> None:
    await twenty_at_once(payer, vendor, SAID, whole(completion()))


async def test_g87_twenty_streams_at_once_are_one_call_and_repeat_it_byte_for_byte(
    payer: Payer, vendor: Vendor
) -> None:
    await twenty_at_once(payer, vendor, STREAM, streamed(*WORDS[:2], 0.1, *WORDS[2:], USAGE, DONE))


async def test_g87_the_same_holds_on_postgresql(tmp_path: Path, postgresql_copy: str) -> None:  # noqa: F811 - a fixture
    secrets: dict[str, Any] = {"admin_key": ADMIN_KEY, "secret_key": SECRET_KEY}
    async with world(tmp_path, database_url=postgresql_copy, **secrets) as opened:
        payer = await opened.new_account()
        await twenty_at_once(payer, opened.vendor, SAID, whole(completion()))
        await payer.verify()


async def test_the_claim_is_committed_before_the_vendor_is_asked(shared: World, payer: Payer, vendor: Vendor) -> None:
    vendor.reply = lambda _: [0.3, *whole(completion())]
    asking = asyncio.ensure_future(send(payer, "early"))
    await vendor.asked.wait()
    database = shared.gateway.services.database
    record = await database.read(lambda tx: idempotency.get(tx, account_id=payer.account_id, key="early"))
    assert record is not None
    assert (record.state, record.body) == ("running", None)
    assert (await asking).status_code == 200
    (chat,) = await payer.chats()
    assert chat.id == record.task_id


async def test_an_unlimited_account_is_charged_once_too(shared: World, vendor: Vendor) -> None:
    unlimited = await shared.new_account("unlimited")
    answers = [await send(unlimited, "unlimited") for _ in range(2)]
    assert told(answers[0]) == told(answers[1])
    assert [kind for kind, _ in await unlimited.entries()] == ["hold", "capture"]


@pytest.mark.parametrize("body", [{**SAID, "n": 1}, json.dumps(SAID, indent=1).encode()])
async def test_g87_a_key_with_other_bytes_is_refused_at_once_even_while_the_first_runs(
    payer: Payer, vendor: Vendor, body: dict[str, Any] | bytes
) -> None:
    vendor.reply = lambda _: [0.2, *whole(completion())]
    first = asyncio.ensure_future(send(payer, "reused"))
    await vendor.asked.wait()
    others = [await send(payer, "reused", body)]
    assert (await first).status_code == 200
    others.append(await send(payer, "reused", body))
    for other in others:
        assert (*refusal(other), other.headers["x-should-retry"]) == (422, "idempotency_key_reused", "false")
    assert len(vendor.received) == 1


async def test_g87_the_same_key_of_another_account_is_another_key(shared: World, payer: Payer, vendor: Vendor) -> None:
    other = await shared.new_account()
    await send(payer, "shared")
    assert (await send(other, "shared", {**SAID, "n": 1})).status_code == 200
    assert len(vendor.received) == 2


@pytest.mark.parametrize("key", ["", "k" * 256, "a\tb", "caf\xe9"])
async def test_g87_a_key_must_be_1_to_255_printable_characters(payer: Payer, vendor: Vendor, key: str) -> None:
    async with payer.client() as client:
        headers = [(b"idempotency-key", key.encode("latin-1"))]
        response = await client.post(CHAT, json=SAID, headers=headers)
    assert refusal(response) == (400, "idempotency_key_invalid")
    assert vendor.received == []
    assert await payer.entries() == []


async def test_two_keys_are_none_and_255_characters_are_one(payer: Payer, vendor: Vendor) -> None:
    async with payer.client() as client:
        headers = [(b"idempotency-key", b"one"), (b"idempotency-key", b"two")]
        assert refusal(await client.post(CHAT, json=SAID, headers=headers)) == (400, "idempotency_key_invalid")
    assert (await send(payer, "k" * 255)).status_code == 200


async def test_g87_after_a_400_and_after_a_402_the_key_is_free(shared: World, vendor: Vendor) -> None:
    poor = await shared.new_account(units=1)
    assert (await send(poor, "again", {"model": SAID["model"]})).status_code == 400
    for body in (SAID, {**SAID, "n": 2}):  # another body: nothing of the first was recorded
        assert refusal(await send(poor, "again", body)) == (402, "insufficient_balance")
    assert vendor.received == []


async def test_who_waits_for_a_request_that_was_refused_by_every_vendor_tries_itself(
    payer: Payer, vendor: Vendor
) -> None:
    replies = [[0.2, *whole(b"{}", 429)], whole(completion())]
    vendor.reply = lambda _: replies[min(len(vendor.received), 2) - 1]
    first = asyncio.ensure_future(send(payer, "refused"))
    await vendor.asked.wait()
    second = await send(payer, "refused")
    assert (refusal(await first), second.status_code) == ((429, "rate_limit_exceeded"), 200)
    assert [kind for kind, _ in await payer.entries()] == ["hold", "release", "hold", "capture"]


@pytest.mark.parametrize("body", [SAID, STREAM])
async def test_g87_an_error_after_the_vendor_was_asked_is_repeated(
    payer: Payer, vendor: Vendor, body: dict[str, Any]
) -> None:
    vendor.reply = lambda _: [CUT]
    first = await send(payer, "cut", body)
    vendor.reply = lambda _: whole(completion())
    assert refusal(first) == (502, "upstream_error")
    assert told(await send(payer, "cut", body)) == told(first)
    assert len(vendor.received) == 1


async def test_a_broken_stream_is_repeated_with_its_error(payer: Payer, vendor: Vendor) -> None:
    vendor.reply = lambda _: streamed(*WORDS[:3], 0.05, CUT)
    first = await send(payer, "broken", STREAM)
    assert b'"error"' in first.content
    assert first.content.endswith(DONE)
    assert told(await send(payer, "broken", STREAM)) == told(first)
    assert len(vendor.received) == 1


async def test_a_stream_that_the_vendor_answered_whole_is_repeated(payer: Payer, vendor: Vendor) -> None:
    first = await send(payer, "no stream", STREAM)
    assert first.content.endswith(DONE)
    assert told(await send(payer, "no stream", STREAM)) == told(first)


@pytest.mark.parametrize("after_s", [0.0, 0.2])
async def test_who_left_and_asks_again_gets_the_answer_that_was_paid(
    payer: Payer, vendor: Vendor, after_s: float
) -> None:
    vendor.reply = lambda _: [0.1, *streamed(*WORDS[:2], 0.2, *WORDS[2:], USAGE, DONE)]
    leaving = asyncio.ensure_future(send(payer, "left", STREAM))
    await vendor.asked.wait()
    await asyncio.sleep(after_s)  # noqa: TID251 -- a client leaves in real time
    leaving.cancel()
    again = await send(payer, "left", STREAM)
    assert (again.content.count(b"chat.completion.chunk"), again.content.endswith(DONE)) == (len(WORDS), True)
    assert len(vendor.received) == 1
    assert [kind for kind, _ in await payer.entries()] == ["hold", "capture"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_too_large_to_be_kept_is_neither_repeated_nor_charged_again(
    payer: Payer, vendor: Vendor, stream: bool
) -> None:
    text = hashlib.sha256(b"long").hexdigest() * (BODY_BYTES_MAX // 64)
    long = [chunk({"role": "assistant", "content": text[: BODY_BYTES_MAX // 2]}) for _ in range(2)]
    vendor.reply = lambda _: streamed(*long, *WORDS[1:], USAGE, DONE) if stream else whole(completion(extra=text))
    first = await send(payer, "large", {**SAID, "stream": stream})
    assert (first.status_code, len(first.content) > BODY_BYTES_MAX) == (200, True)
    second = await send(payer, "large", {**SAID, "stream": stream})
    assert (*refusal(second), second.headers["x-should-retry"]) == (409, "conflict", "false")
    assert len(vendor.received) == 1


async def somebody_elses(shared: World, payer: Payer, body: dict[str, Any], lease_s: float) -> None:
    """A claim of a process that nobody here knows, for `lease_s` from now."""
    services = shared.gateway.services
    at, fingerprint = services.clock.now(), fingerprint_of(CHAT.encode(), json.dumps(body).encode())
    await services.database.write(
        lambda tx: idempotency.claim(
            tx,
            account_id=payer.account_id,
            key="elsewhere",
            fingerprint=fingerprint,
            task_id="chatcmpl_elsewhere",
            at=at,
            expires_at=at + lease_s,
        )
    )


async def test_when_the_first_died_the_repeat_is_told_to_try_again_and_then_does_the_work(
    shared: World, payer: Payer, vendor: Vendor
) -> None:
    patient = {**SAID, "model": "unreachable-first"}  # its vendors may take minutes: it is not our patience that ends
    await somebody_elses(shared, payer, patient, lease_s=0.5)
    waited = await send(payer, "elsewhere", patient)
    assert refusal(waited) == (409, "idempotency_in_progress")
    assert (waited.headers["retry-after"], waited.headers["x-should-retry"]) == ("5", "true")
    assert vendor.received == []
    assert (await send(payer, "elsewhere", patient)).status_code == 200


async def test_a_repeat_waits_no_longer_than_the_request_itself_could_take(
    shared: World, payer: Payer, vendor: Vendor
) -> None:
    await somebody_elses(shared, payer, SAID, lease_s=3600)
    assert refusal(await send(payer, "elsewhere")) == (409, "idempotency_in_progress")
    assert vendor.received == []


async def test_l7_who_lost_its_claim_while_the_vendor_worked_charges_nothing(
    shared: World, payer: Payer, vendor: Vendor
) -> None:
    vendor.reply = lambda _: [0.4, *whole(completion())]
    first = asyncio.ensure_future(send(payer, "lost"))
    await vendor.asked.wait()
    database = shared.gateway.services.database
    await database.write(lambda tx: idempotency.forget(tx, account_id=payer.account_id, key="lost"))
    second = await send(payer, "lost")
    assert ((await first).status_code, second.status_code) == (200, 200)
    assert sorted(kind for kind, _ in await payer.entries()) == ["capture", "hold", "hold", "release"]


async def test_a_client_that_sends_no_key_is_served_each_time(shared: World, payer: Payer, vendor: Vendor) -> None:
    await payer.post()
    await payer.post()
    assert len(vendor.received) == 2
