"""The official SDK, unchanged, against the sandbox's text model: sync, async, streamed, with tools."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

from app.store import ledger, ledger_verify, tables
from tests.support.gateway import Running, running_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED: Any = {"model": "gpt-small", "messages": [{"role": "user", "content": "hello there"}]}
TOOLS: Any = [{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    async with running_gateway(tmp_path_factory.mktemp("sdk")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(gateway: Running) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
        yield client


async def test_a_completion_by_the_async_sdk(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(**ASKED)
    assert answer.choices[0].message.content == "You said: hello there"
    assert answer.model == "gpt-4o-mini"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 5 + 4


async def test_a_completion_and_a_stream_by_the_sync_sdk(gateway: Running) -> None:
    def talk() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0) as client:
            whole = client.chat.completions.create(**ASKED).choices[0].message.content
            streamed = client.chat.completions.create(**ASKED, stream=True)
            return whole, "".join(chunk.choices[0].delta.content or "" for chunk in streamed)

    assert await asyncio.to_thread(talk) == ("You said: hello there",) * 2


async def test_a_stream_shows_usage_only_when_asked(sdk: openai.AsyncOpenAI) -> None:
    plain = [chunk async for chunk in await sdk.chat.completions.create(**ASKED, stream=True)]
    asked = await sdk.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
    counted = [chunk async for chunk in asked]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in plain) == "You said: hello there"
    assert [chunk.usage for chunk in plain] == [None] * len(plain)
    assert counted[-1].choices == []
    assert counted[-1].usage is not None
    assert len(counted) == len(plain) + 1


async def test_a_tool_is_called_and_answered(sdk: openai.AsyncOpenAI) -> None:
    called = await sdk.chat.completions.create(**ASKED, tools=TOOLS, tool_choice="auto")
    message = called.choices[0].message
    assert called.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "42"}
    history: Any = [*ASKED["messages"], message, result]
    answer = await sdk.chat.completions.create(model="gpt-small", messages=history, tools=TOOLS)
    assert answer.choices[0].message.content == "You said: 42"


async def test_a_streamed_tool_call_arrives_in_pieces(sdk: openai.AsyncOpenAI) -> None:
    async with sdk.chat.completions.stream(**ASKED, tools=TOOLS) as stream:
        final = await stream.get_final_completion()
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert (calls[0].function.name, calls[0].function.arguments) == ("look_up", '{"echo":"hello there"}')


async def test_structured_output_and_many_choices_pass_through(sdk: openai.AsyncOpenAI) -> None:
    answer = await sdk.chat.completions.create(**ASKED, n=2, response_format={"type": "json_object"}, seed=7)
    assert [choice.message.content for choice in answer.choices] == ['{"echo":"hello there"}'] * 2


async def test_errors_are_the_sdks_own(gateway: Running, sdk: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await sdk.chat.completions.create(**{**ASKED, "model": "no-such"})
    assert missing.value.code == "model_not_found"
    assert missing.value.request_id is not None
    async with sdk.with_options(api_key="sk-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError):
            await stranger.chat.completions.create(**ASKED)


async def test_every_call_that_the_vendor_counted_is_charged_once_whoever_left(gateway: Running) -> None:
    """Whole and streamed, answered and left early: charges and the vendor's own log agree (a small F3)."""
    payer = await gateway.new_key(grant_units=10_000_000)

    async def one(number: int, client: Any) -> None:
        words = " ".join(["word"] * (number % 7 + 1))
        asked = {**ASKED, "messages": [{"role": "user", "content": words}], "stream": number % 2 == 0}
        posting = asyncio.ensure_future(client.post("/v1/chat/completions", json=asked))
        if number % 5 == 0:
            await asyncio.sleep(0.001 * (number % 4))  # noqa: TID251 -- a client leaves in real time
            posting.cancel()
        await asyncio.wait({posting})

    before, began = len(await gateway.paid_calls()), gateway.services.clock.now()
    async with gateway.client(headers={"authorization": f"Bearer {payer}"}) as client:
        for start in range(0, 200, 10):
            await asyncio.gather(*[one(number, client) for number in range(start, start + 10)])
    await asyncio.sleep(0.3)  # noqa: TID251 -- what was left early is finished in real time
    calls = (await gateway.paid_calls())[before:]
    database = gateway.services.database
    query = tables.chats.select().where(tables.chats.c.created_at >= began)
    rows = await database.read(lambda tx: tx.execute(query).all())
    captures = (await database.read(lambda tx: ledger.entries(tx, kind="capture", limit=1000))).items
    charged = {entry.charge_id: entry.units for entry in captures}
    assert len(rows) == len(calls)
    for row in rows:
        assert row.output_tokens == row.input_tokens - 1  # the sandbox says "You said:", and counts three per message
        assert charged[row.id] == -(-(row.input_tokens * 150_000 + row.output_tokens * 600_000) // 1_000_000)
    assert (await database.read(ledger_verify.verify)).violations == ()
