"""The official SDK sends no Idempotency-Key and tries again by itself: what it repeats is done and paid for once (G91).

Nothing is claimed for requests whose clients wait, so what counts is who left, and when.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import func, select

from app.gateway.catalog.live import Revision
from app.store import idempotency, tables
from tests.chat.vendor import (
    CATALOG,
    CUT,
    DONE,
    SAID,
    USAGE,
    WORDS,
    Payer,
    Received,
    Script,
    Vendor,
    World,
    completion,
    streamed,
    whole,
    world,
)
from tests.support.databases import postgresql_copy, postgresql_template  # noqa: F401 - fixtures are found by name
from tests.support.gateway import ADMIN_KEY, SECRET_KEY, running_gateway
from tests.support.relay import relaying

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED: Any = {"model": SAID["model"], "messages": SAID["messages"]}
IMPATIENT: Any = {"timeout": 0.5, "max_retries": 9}
SLOW_S = 1.2


def sdk(payer: Payer, *, url: str = "", **options: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"{url or payer.world.gateway.url}/v1", api_key=payer.secret, **options)


async def tries(world: World) -> int:
    """How many requests have been claimed for an SDK."""
    query = select(func.count()).where(tables.idempotency.c.key.startswith("\x01sdk:"))
    count: int = await world.gateway.services.database.read(lambda tx: tx.execute(query).scalar_one())
    return count


async def settled(payer: Payer) -> list[str]:
    """The kinds of the payer's entries, once nothing is held any more."""
    kinds: list[str] = []
    for _ in range(3000):
        kinds = [kind for kind, _ in await payer.entries()]
        if kinds and kinds.count("hold") == len(kinds) - kinds.count("hold"):
            break
        await asyncio.sleep(0.02)  # noqa: TID251 -- the gateway finishes in real time
    await payer.verify()
    return kinds


async def test_an_sdk_that_loses_patience_gets_what_it_asked_for_first_and_pays_once(
    shared: World, vendor: Vendor
) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: [SLOW_S, *whole(completion())]
    async with sdk(payer, **IMPATIENT) as client:
        answer = await client.chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "Hi"
    assert len(vendor.received) == 1
    assert await settled(payer) == ["hold", "capture"]


async def test_the_sync_sdk_too(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account("unlimited")
    vendor.reply = lambda _: [SLOW_S, *whole(completion())]

    def ask() -> str | None:
        with openai.OpenAI(base_url=f"{shared.gateway.url}/v1", api_key=payer.secret, **IMPATIENT) as client:
            said: str | None = client.chat.completions.create(**ASKED).choices[0].message.content
            return said

    assert await asyncio.to_thread(ask) == "Hi"
    assert len(vendor.received) == 1
    assert await settled(payer) == ["hold", "capture"]


async def test_a_stream_that_had_not_begun_is_joined_from_its_beginning(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: [SLOW_S, *streamed(*WORDS[:2], 0.1, *WORDS[2:], USAGE, DONE)]
    async with sdk(payer, **IMPATIENT) as client:
        stream = await client.chat.completions.create(**ASKED, stream=True)
        said = [chunk.choices[0].delta.content async for chunk in stream]
    assert "".join(text or "" for text in said) == "one two three"
    assert len(vendor.received) == 1
    assert await settled(payer) == ["hold", "capture"]


async def test_a_network_that_breaks_while_the_vendor_works_costs_nothing(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: [SLOW_S, *whole(completion())]
    async with (
        relaying("127.0.0.1", httpx.URL(shared.gateway.url).port or 0) as relay,
        sdk(payer, url=f"http://127.0.0.1:{relay.port}", max_retries=5, timeout=60) as client,
    ):
        asking = asyncio.ensure_future(client.chat.completions.create(**ASKED))
        await vendor.asked.wait()
        relay.cut()
        relay.heal()
        assert (await asking).usage is not None
    assert len(vendor.received) == 1
    assert await settled(payer) == ["hold", "capture"]


async def test_what_was_refused_is_done_when_it_is_tried_again(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()

    def reply(_: Received) -> Script:
        return whole(b"{}", 429, retry_after="1") if len(vendor.received) == 1 else whole(completion())

    vendor.reply = reply
    async with sdk(payer, max_retries=9) as client:
        assert (await client.chat.completions.create(**ASKED)).usage is not None
    assert (await settled(payer))[-1] == "capture"
    assert (await settled(payer)).count("capture") == 1


@pytest.mark.parametrize("script", [whole(b'{"error":{"message":"broke"}}', 500), [CUT]], ids=["a 500", "a cut"])
async def test_what_a_vendor_may_have_billed_is_not_tried_again(shared: World, vendor: Vendor, script: Script) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: script
    async with sdk(payer, max_retries=5) as client:
        with pytest.raises(openai.InternalServerError):
            await client.chat.completions.create(**ASKED)
    assert len(vendor.received) == 1


async def test_clients_that_wait_are_never_taken_for_one_and_claim_nothing(shared: World, vendor: Vendor) -> None:
    payer, before = await shared.new_account(), await tries(shared)
    vendor.reply = lambda _: [0.1, *whole(completion())]
    async with sdk(payer) as client:
        await asyncio.gather(*(client.chat.completions.create(**ASKED) for _ in range(3)))
        await client.chat.completions.create(**ASKED)
        await client.chat.completions.create(**ASKED, extra_headers={"x-stainless-retry-count": "1"})
    assert len(vendor.received) == 5
    assert await tries(shared) == before


async def left(payer: Payer, vendor: Vendor, body: dict[str, Any]) -> None:
    """The first try of a client that leaves once the vendor was asked."""
    async with payer.client() as client:
        said = {"x-stainless-retry-count": "0"}
        asking = asyncio.ensure_future(client.post("/v1/chat/completions", json=body, headers=said))
        await vendor.asked.wait()
        asking.cancel()
        await asyncio.wait({asking})


async def claimed(world: World, payer: Payer) -> None:
    database = world.gateway.services.database
    query = select(tables.idempotency.c.key).where(tables.idempotency.c.account_id == payer.account_id)
    for _ in range(3000):
        if (key := await database.read(lambda tx: tx.execute(query).scalar())) is not None:
            assert await database.read(lambda tx: idempotency.get(tx, account_id=payer.account_id, key=key))
            return
        await asyncio.sleep(0.02)  # noqa: TID251 -- the gateway hears of it in real time
    pytest.fail("no claim was made")


async def again(url: str, payer: Payer, body: dict[str, Any]) -> httpx.Response:
    """The same, tried again."""
    headers = {"authorization": f"Bearer {payer.secret}", "x-stainless-retry-count": "1"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client:
        return await client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_came_after_its_client_had_left_is_kept_for_the_next_try(
    shared: World, vendor: Vendor, stream: bool
) -> None:
    payer, body = await shared.new_account(), {**SAID, "stream": stream}
    vendor.reply = lambda _: [0.3, *(streamed(*WORDS, USAGE, DONE) if stream else whole(completion()))]
    await left(payer, vendor, body)
    assert await settled(payer) == ["hold", "capture"]
    answer = await again(shared.gateway.url, payer, body)
    assert answer.status_code == 200
    assert answer.content.count(b"chat.completion") == (len(WORDS) if stream else 1)
    other = await again(shared.gateway.url, payer, {**body, "seed": 1})
    assert (other.status_code, len(vendor.received)) == (200, 2)


async def test_a_try_that_every_vendor_refused_leaves_no_claim(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: [0.3, *whole(b"{}", 503)]
    await left(payer, vendor, SAID)
    await settled(payer)
    vendor.reply = lambda _: whole(completion())
    assert (await again(shared.gateway.url, payer, SAID)).status_code == 200


async def test_another_process_joins_as_well(tmp_path: Path, postgresql_copy: str) -> None:  # noqa: F811 - a fixture
    shared: dict[str, Any] = {"database_url": postgresql_copy, "admin_key": ADMIN_KEY, "secret_key": SECRET_KEY}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with world(tmp_path / "one", **shared) as first:
        revision = Revision(1, CATALOG.format(url=first.vendor.url, timeout_s=30), "yaml")

        async def source() -> Revision:
            return revision

        async with running_gateway(tmp_path / "two", source=source, **shared) as second:
            payer = await first.new_account()
            first.vendor.reply = lambda _: [2.0, *whole(completion())]
            await left(payer, first.vendor, SAID)
            await claimed(first, payer)
            answer = await again(second.url, payer, SAID)
            assert (answer.status_code, json.loads(answer.content)["model"]) == (200, "public-model")
            assert len(first.vendor.received) == 1
            assert await settled(payer) == ["hold", "capture"]
