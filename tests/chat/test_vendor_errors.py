"""When vendors fail: their errors keep their class and meaning and lose their names; refusals go to the next target,
what may have been paid never does (F70-F81, L11).
"""

import json
from typing import Any

import openai
import pytest

from tests.chat.vendor import (
    CUT,
    DONE,
    SAID,
    WORDS,
    Received,
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
TWO: dict[str, Any] = {**SAID, "model": "two-targets"}


def refusal(status: int, message: str = "No.", code: str | None = None, **headers: str) -> Script:
    return whole(json.dumps({"error": {"message": message, "type": "x", "code": code}}).encode(), status, **headers)


STATUSES = [
    ("wrong parameter", refusal(400, "temperature must be at most 2"), 400, "invalid_value"),
    ("unprocessable", refusal(422, "tools[0] has no name"), 400, "invalid_value"),
    ("moderated", refusal(400, "nope", "content_policy_violation"), 400, "moderation_blocked"),
    ("our key is wrong", refusal(401), 502, "upstream_error"),
    ("our account is empty", refusal(402), 502, "upstream_error"),
    ("not for us", refusal(403), 502, "upstream_error"),
    ("model gone", refusal(404), 502, "upstream_error"),
    ("busy", refusal(429, retry_after="7"), 429, "rate_limit_exceeded"),
    ("broken", refusal(500), 502, "upstream_error"),
    ("down", refusal(503, retry_after="9"), 503, "no_vendor_available"),
    ("late", refusal(504), 504, "upstream_timeout"),
    ("a page", whole(b"<html>Bad gateway</html>", 502, "text/html"), 502, "upstream_error"),
    ("a page, all well", whole(b"<html>Sign in</html>", 200, "text/html"), 502, "upstream_invalid_response"),
    ("nothing", whole(b"", 200), 502, "upstream_invalid_response"),
    ("null", whole(b"null", 200), 502, "upstream_invalid_response"),
    ("no choices", whole(b'{"id":"x"}', 200), 502, "upstream_invalid_response"),
    ("odd choices", whole(b'{"choices":[1]}', 200), 502, "upstream_invalid_response"),
    ("an error that says 200", refusal(200, "broken", "server_error"), 502, "upstream_error"),
    ("compressed", whole(b"x", content_encoding="gzip"), 502, "upstream_invalid_response"),
    ("cut", [b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", CUT], 502, "upstream_error"),
    ("no HTTP", [b"SSH-2.0-hello\r\n\r\n", CUT], 502, "upstream_invalid_response"),
    ("endless headers", [b"HTTP/1.1 200 OK\r\n" + b"x: yes\r\n" * 20_000, CUT], 502, "upstream_invalid_response"),
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("script", "status", "code"), [row[1:] for row in STATUSES], ids=[row[0] for row in STATUSES])
async def test_a_vendors_failure_is_told_in_our_words_and_not_charged(
    shared: World, vendor: Vendor, script: Script, status: int, code: str, stream: bool
) -> None:
    payer = await shared.new_account()
    vendor.reply = lambda _: script
    response = await payer.post({**SAID, "model": "two-targets", "stream": stream})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert (await payer.entries())[-1][0] == "release"
    await payer.verify()


async def test_the_vendors_explanation_is_shown_without_names_keys_and_addresses(shared: World, vendor: Vendor) -> None:
    words = "This model's maximum context length is 8192 tokens; secret-vendor-model at "
    words += "https://api.first.example/v1 sk-abc123def456"
    vendor.reply = lambda _: refusal(400, words, "context_length_exceeded")
    message = (await (await shared.new_account()).post()).json()["error"]["message"]
    assert "maximum context length is 8192 tokens" in message
    assert not [word for word in ("secret", "first", "https", "sk-abc") if word in message]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_a_refusal_goes_to_the_next_target(shared: World, vendor: Vendor, status: int, stream: bool) -> None:
    def reply(received: Received) -> Script:
        if received.path.startswith("/first"):
            return refusal(status)
        return streamed(*WORDS, DONE) if stream else whole(completion())

    vendor.reply = reply
    payer = await shared.new_account()
    response = await payer.post({**TWO, "stream": stream})
    assert response.status_code == 200
    assert vendor.received[-1].path == "/second/chat/completions"
    assert vendor.received[-1].document["model"] == "two"
    assert (await payer.chats())[0].vendor == "second"
    assert [kind for kind, _ in await payer.entries()] == ["hold", "capture"]


async def test_a_vendor_that_cannot_be_reached_is_passed_over(shared: World, vendor: Vendor) -> None:
    payer = await shared.new_account()
    assert (await payer.post({**SAID, "model": "unreachable-first"})).status_code == 200
    assert [request.path for request in vendor.received] == ["/third/chat/completions"]


@pytest.mark.parametrize("script", [refusal(500), refusal(400), [CUT], whole(b"<html>", 200)])
async def test_what_may_have_been_paid_or_is_the_clients_to_mend_is_not_sent_again(
    shared: World, vendor: Vendor, script: Script
) -> None:
    vendor.reply = lambda _: script
    await (await shared.new_account()).post(TWO)
    assert len(vendor.received) == 1


async def test_a_failure_within_a_stream_is_an_error_event_and_then_the_end(shared: World, vendor: Vendor) -> None:
    broken = b'data: {"error":{"message":"GPU at 10.0.0.7 on fire","type":"server_error"}}\n\n'
    vendor.reply = lambda _: streamed(*WORDS[:3], broken)
    payer = await shared.new_account()
    response = await payer.post(STREAM)
    *_, error, done, rest = response.content.split(b"\n\n")
    assert (done, rest) == (DONE.strip(), b"")
    assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "upstream_error"
    assert b"10.0.0.7" not in response.content
    async with openai.AsyncOpenAI(base_url=f"{shared.gateway.url}/v1", api_key=payer.secret, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(model="public-model", messages=SAID["messages"], stream=True)
        with pytest.raises(openai.APIError) as raised:
            _ = [chunk async for chunk in stream]
    assert raised.value.code == "upstream_error"


async def test_an_error_as_the_first_event_is_an_error_of_the_request(shared: World, vendor: Vendor) -> None:
    vendor.reply = lambda _: streamed(b'data: {"error":{"message":"slow down","code":"rate_limit_exceeded"}}\n\n')
    response = await (await shared.new_account()).post(STREAM)
    assert (response.status_code, response.json()["error"]["code"]) == (429, "rate_limit_exceeded")


async def test_json_in_answer_to_a_stream_request_is_streamed(shared: World, vendor: Vendor) -> None:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    message = {"role": "assistant", "content": "Hi", "tool_calls": calls}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls"}]
    vendor.reply = lambda _: whole(completion(choices=choices))
    payer = await shared.new_account()
    async with openai.AsyncOpenAI(base_url=f"{shared.gateway.url}/v1", api_key=payer.secret, max_retries=0) as sdk:
        stream = await sdk.chat.completions.create(
            model="public-model", messages=SAID["messages"], stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert {chunk.model for chunk in chunks} == {"public-model"}
    assert chunks[0].choices[0].delta.content == "Hi"
    assert chunks[0].choices[0].delta.tool_calls is not None
    assert chunks[1].choices[0].finish_reason == "tool_calls"
    assert chunks[2].usage is not None
    assert chunks[2].usage.total_tokens == 29
    assert (await payer.entries())[-1] == ("capture", 56)


async def test_a_stream_in_answer_to_a_plain_request_is_put_together(shared: World, vendor: Vendor) -> None:
    first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}}
    pieces = [
        chunk({"role": "assistant", "content": None, "tool_calls": [first]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}),
        chunk({"content": "one"}),
        chunk({"content": " two"}, "tool_calls"),
        chunk(usage={"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}),
    ]
    vendor.reply = lambda _: streamed(*pieces, DONE)
    response = (await (await shared.new_account()).post()).json()
    choice = response["choices"][0]
    assert (response["object"], response["model"]) == ("chat.completion", "public-model")
    assert (choice["message"]["content"], choice["finish_reason"]) == ("one two", "tool_calls")
    call = choice["message"]["tool_calls"][0]
    assert call == {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert response["oneshape"] == {"units": 56, "estimated": False}


@pytest.mark.parametrize("script", [[5.0], [*streamed(*WORDS[:2])[:3], 5.0]], ids=["silent", "silent in the middle"])
async def test_a_vendor_that_falls_silent_is_given_up_in_time(shared: World, vendor: Vendor, script: Script) -> None:
    vendor.reply = lambda _: script
    response = await (await shared.new_account()).post(STREAM)
    assert b"upstream_timeout" in response.content


@pytest.mark.parametrize(
    ("said", "status", "code", "param"),
    [
        ({"stream": "yes"}, 400, "invalid_value", "stream"),
        ({"stream_options": 1, "stream": True}, 400, "invalid_value", "stream_options"),
        ({"max_tokens": 0}, 400, "invalid_value", "max_tokens"),
        ({"max_completion_tokens": "9"}, 400, "invalid_value", "max_completion_tokens"),
        ({"n": True}, 400, "invalid_value", "n"),
        ({"messages": []}, 400, "invalid_value", "messages"),
        ({"messages": None}, 400, "missing_required_parameter", "messages"),
        ({"model": 5}, 400, "invalid_value", "model"),
        ({"model": ""}, 400, "missing_required_parameter", "model"),
        ({"model": "../x?\r\n"}, 404, "model_not_found", "model"),
    ],
)
async def test_a_wrong_field_that_we_act_on_is_refused_and_no_vendor_is_asked(
    shared: World, vendor: Vendor, said: dict[str, Any], status: int, code: str, param: str
) -> None:
    payer = await shared.new_account()
    response = await payer.post({**SAID, **said})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (status, code, param)
    assert vendor.received == []
    assert await payer.entries() == []
