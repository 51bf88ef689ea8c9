"""The official SDK, unchanged, against the sandbox's text model: sync, async, streamed, with tools."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio

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
