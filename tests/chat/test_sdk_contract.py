"""What the official SDK can say and read of text chat arrives whole on both sides, parsed by the SDK itself."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import openai
import pytest
import pytest_asyncio
from pydantic import BaseModel

from tests.chat.vendor import (
    DONE,
    PUBLIC,
    SAID,
    USAGE,
    VENDORS_OWN,
    Payer,
    Vendor,
    World,
    chunk,
    completion,
    counted,
    streamed,
    whole,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOOL: Final[Any] = {
    "type": "function",
    "function": {"name": "look_up", "strict": True, "parameters": {"type": "object", "properties": {}}},
}
EVERYTHING: Final[dict[str, Any]] = {
    "messages": [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "ada",
            "content": [
                {"type": "text", "text": "What is this? \U0001f600 \u00e9"},
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "42"},
    ],
    "audio": {"voice": "alloy", "format": "mp3"},
    "frequency_penalty": 0.5,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "max_completion_tokens": 500,
    "metadata": {"purpose": "test"},
    "modalities": ["text", "audio"],
    "n": 2,
    "parallel_tool_calls": True,
    "prediction": {"type": "content", "content": "draft"},
    "presence_penalty": -0.5,
    "prompt_cache_key": "key",
    "reasoning_effort": "low",
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "safety_identifier": "who",
    "seed": 7,
    "service_tier": "auto",
    "stop": ["\n", "end"],
    "store": False,
    "temperature": 0.0,
    "tool_choice": {"type": "function", "function": {"name": "look_up"}},
    "tools": [TOOL],
    "top_logprobs": 2,
    "top_p": 0.9,
    "verbosity": "low",
    "web_search_options": {"search_context_size": "low"},
}
UNKNOWN: Final[dict[str, Any]] = {"reasoning": {"max_tokens": 9}, "repetition_penalty": 1.05, "new": [1, {"a": None}]}
LOGPROBS: Final = {"content": [{"token": "H", "logprob": -0.5, "bytes": [72], "top_logprobs": []}], "refusal": None}
CALLS: Final = [
    {"id": "call_a", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}},
    {"id": "call_b", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 2}'}},
]


class Weather(BaseModel):
    """What a structured answer holds."""

    city: str
    degrees: float


@pytest_asyncio.fixture(loop_scope="module")
async def payer(shared: World, vendor: Vendor) -> AsyncIterator[Payer]:
    made = await shared.new_account(units=1_000_000_000)
    yield made
    await made.verify()


@pytest_asyncio.fixture(loop_scope="module")
async def sdk(payer: Payer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=f"{payer.world.gateway.url}/v1", api_key=payer.secret, max_retries=0
    ) as client:
        yield client


@pytest.mark.parametrize("stream", [False, True])
async def test_every_parameter_reaches_the_vendor_as_the_sdk_sent_it(
    sdk: openai.AsyncOpenAI, vendor: Vendor, stream: bool
) -> None:
    vendor.reply = lambda _: streamed(chunk({"content": "Hi"}, "stop"), USAGE, DONE) if stream else whole(completion())
    shown = {"include_usage": True, "include_obfuscation": False}
    options: Any = {"stream": True, "stream_options": shown} if stream else {}
    answer = await sdk.chat.completions.create(model=PUBLIC, **EVERYTHING, **options, extra_body=UNKNOWN)
    if stream:
        _ = [event async for event in answer]
    assert vendor.received[0].document == {**EVERYTHING, **options, **UNKNOWN, "model": VENDORS_OWN}


async def test_every_field_of_an_answer_reaches_the_sdk(sdk: openai.AsyncOpenAI, vendor: Vendor) -> None:
    message = {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "reasoning_content": "thinking",
        "reasoning_details": [{"type": "reasoning.text", "text": "thinking"}],
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "t"}}],
        "audio": {"id": "audio_1", "data": "SUQz", "expires_at": 1790000000, "transcript": "hi"},
        "tool_calls": CALLS,
    }
    choices = [
        {"index": 0, "message": message, "logprobs": LOGPROBS, "finish_reason": "tool_calls"},
        {"index": 1, "message": {"role": "assistant", "content": "Hi"}, "logprobs": None, "finish_reason": "length"},
    ]
    usage = {**counted(20, 9, 8), "completion_tokens_details": {"reasoning_tokens": 5}}
    told = completion(usage=usage, choices=choices, system_fingerprint="fp", service_tier="flex", provider="x")
    vendor.reply = lambda _: whole(told)
    answer = await sdk.chat.completions.create(model=PUBLIC, messages=SAID["messages"], n=2)
    read = answer.model_dump(exclude_unset=True)
    units = read.pop("oneshape")["units"]
    assert units == 12 + 2 + 4 * 9
    assert read == {**json.loads(told), "model": PUBLIC}
    calls = answer.choices[0].message.tool_calls
    assert [call.id for call in calls or ()] == ["call_a", "call_b"]
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 5


async def test_every_event_of_a_stream_reaches_the_sdk(sdk: openai.AsyncOpenAI, vendor: Vendor) -> None:
    def call(index: int, **said: Any) -> dict[str, Any]:
        return {"tool_calls": [{"index": index, **said}]}

    def begun(index: int, call_id: str) -> dict[str, Any]:
        return call(index, id=call_id, type="function", function={"name": "look_up", "arguments": ""})

    events = [
        chunk({"role": "assistant", "content": None}, usage=None),
        chunk({"reasoning_content": "thin"}, usage=None),
        chunk({"reasoning": "king", "reasoning_details": [{"type": "reasoning.text", "text": "king"}]}, usage=None),
        chunk(begun(0, "call_a"), usage=None),
        chunk(call(0, function={"arguments": '{"a": 1}'}), usage=None, obfuscation="aaaa"),
        chunk(begun(1, "call_b"), usage=None),
        chunk(call(1, function={"arguments": '{"a": 2}'}), usage=None),
        chunk(
            choices=[{"index": 1, "delta": {"content": "H"}, "logprobs": LOGPROBS, "finish_reason": None}], usage=None
        ),
        chunk(choices=[{"index": 1, "delta": {"refusal": "no"}, "finish_reason": "stop"}], usage=None),
        chunk({}, "tool_calls", usage=None),
        USAGE,
    ]
    vendor.reply = lambda _: streamed(*events, DONE)
    async with sdk.chat.completions.stream(
        model=PUBLIC, messages=SAID["messages"], n=2, stream_options={"include_usage": True}
    ) as stream:
        read = [event.chunk.model_dump(exclude_unset=True) async for event in stream if event.type == "chunk"]
        final = await stream.get_final_completion()
    said = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert read == [{**document, "model": PUBLIC} for document in said]
    calls = final.choices[0].message.tool_calls
    assert [(one.id, one.function.arguments) for one in calls or ()] == [("call_a", '{"a": 1}'), ("call_b", '{"a": 2}')]
    assert final.choices[1].message.content == "H"
    assert final.usage is not None
    assert final.usage.total_tokens == 23


async def test_structured_answers_are_parsed_by_the_sdk(sdk: openai.AsyncOpenAI, vendor: Vendor) -> None:
    said = Weather(city="Zürich", degrees=-1.5)
    message = {"role": "assistant", "content": said.model_dump_json(), "refusal": None}
    vendor.reply = lambda _: whole(completion(choices=[{"index": 0, "message": message, "finish_reason": "stop"}]))
    answer = await sdk.chat.completions.parse(model=PUBLIC, messages=SAID["messages"], response_format=Weather)
    assert answer.choices[0].message.parsed == said
    assert vendor.received[0].document["response_format"]["json_schema"]["name"] == "Weather"


async def test_the_raw_answer_tells_its_request_and_its_units(sdk: openai.AsyncOpenAI, vendor: Vendor) -> None:
    raw = await sdk.chat.completions.with_raw_response.create(model=PUBLIC, messages=SAID["messages"])
    assert raw.headers["oneshape-units"] == "56"
    assert raw.request_id is not None
    assert raw.parse().choices[0].message.content == "Hi"


@pytest.mark.parametrize(
    ("status", "raised"),
    [
        (400, openai.BadRequestError),
        (401, openai.InternalServerError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
async def test_a_vendors_error_is_the_sdks_own_and_names_nobody(
    sdk: openai.AsyncOpenAI, vendor: Vendor, status: int, raised: type[openai.APIStatusError]
) -> None:
    said = {"message": f"secret-vendor-model at first: bad secret-key-of-first ({status})", "type": "x", "code": "y"}
    vendor.reply = lambda _: whole(json.dumps({"error": said}).encode(), status)
    with pytest.raises(raised) as error:
        await sdk.chat.completions.create(model=PUBLIC, messages=SAID["messages"])
    assert error.value.request_id is not None
    assert "secret" not in error.value.response.text
    assert "first" not in error.value.response.text
