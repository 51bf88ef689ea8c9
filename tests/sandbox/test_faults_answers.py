"""Faults of the stages `answer` and `transport`: each does what its line in the table says, at every vendor."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import pytest

from app.sandbox.answers import NAMES
from app.sandbox.faults import ALL, FAULTS
from tests.sandbox.support import KEY
from tests.sandbox.visiting import ask, request_of

Check = Callable[[httpx.Response], Any]


def refused(status: int, retry_after: str | None = None) -> Check:
    def check(answer: httpx.Response) -> bool:
        return answer.status_code == status and answer.headers.get("retry-after") == retry_after and answer.json()

    return check


def body_is(status: int, pattern: bytes) -> Check:
    return lambda answer: answer.status_code == status and re.fullmatch(pattern, answer.content, re.DOTALL)


ANSWERS: Final[Mapping[str, Check]] = {
    "html_200": body_is(200, rb"<html>.*"),
    "html_502": body_is(502, rb"<html>.*"),
    "html_524": body_is(524, rb"<html>.*"),
    "status_204": body_is(204, b""),
    "status_304": body_is(304, b""),
    "status_418": body_is(418, rb".+"),
    "status_520": body_is(520, rb".+"),
    "status_599": body_is(599, rb".+"),
    "redirect": lambda answer: answer.status_code == 307 and "169.254" in answer.headers["location"],
    "empty_200": body_is(200, b""),
    "null_200": body_is(200, b"null"),
    "object_200": body_is(200, rb"\{\}"),
    "latin1_200": body_is(200, rb'\{"message":"gef\xe4llt"\}'),
    "error_200": lambda answer: answer.status_code == 200 and answer.json()["error"]["message"],
    "code_500_200": lambda answer: answer.status_code == 200 and answer.json()["code"] == 500,
    "code_fail_200": lambda answer: answer.status_code == 200 and answer.json()["code"] == "fail",
    "bad_request": refused(400),
    "unauthorized": refused(401),
    "quota_403": refused(403),
    "rate_limited": refused(429, "2"),
    "retry_after_zero": refused(429, "0"),
    "retry_after_negative": refused(429, "-1"),
    "retry_after_huge": refused(429, "1000000000"),
    "retry_after_past": refused(429, "Wed, 21 Oct 2015 07:28:00 GMT"),
    "retry_after_nan": refused(429, "NaN"),
    "server_error": refused(500),
    "unavailable": refused(503, "2"),
    "unknown_model_503": refused(503),
    "moderation_400": lambda answer: answer.status_code == 400 and "safety" in answer.text,
    "moderation_500": lambda answer: answer.status_code == 500 and "safety" in answer.text,
    "leaky_error": lambda answer: (
        answer.status_code == 500 and "sk-leaked" in answer.text and "10.0.0.7" in answer.text
    ),
}


def test_every_answer_fault_has_an_answer_and_a_check() -> None:
    named = {name for name, fault in FAULTS.items() if fault.stage == "answer"}
    assert named == set(NAMES) == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
async def test_the_whole_answer_is_what_the_fault_says(client: httpx.AsyncClient, name: str) -> None:
    for vendor in sorted(ALL):
        answer = await ask(client, vendor, f"a cat [fault:{name}]")
        assert ANSWERS[name](answer), (vendor, answer.status_code, answer.text)
    calls = (await client.get("/_calls")).json()["calls"]
    assert len(calls) == (len(ALL) if FAULTS[name].paid else 0)


async def test_a_slow_vendor_answers_nothing_and_the_server_still_stops(client: httpx.AsyncClient) -> None:
    for vendor in sorted(ALL):
        path, body = request_of(vendor, "[fault:slow]")
        with pytest.raises(httpx.ReadTimeout):
            await client.post(path, json=body, timeout=0.2)
    assert (await client.get("/_calls")).json()["count"] == len(ALL)


async def test_hanging_up_sends_no_byte(client: httpx.AsyncClient) -> None:
    for vendor in sorted(ALL):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending"):
            await ask(client, vendor, "[fault:hang_up]")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_answer_is_shorter_than_it_promised(client: httpx.AsyncClient, stream: bool) -> None:
    for vendor in sorted(ALL):
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            await ask(client, vendor, "[fault:cut_mid]", stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_trickle_is_the_whole_answer_byte_by_byte(client: httpx.AsyncClient, stream: bool) -> None:
    path, body = request_of("openai-chat", "hi [fault:trickle]", stream=stream)
    async with client.stream("POST", path, json=body) as answer:
        pieces = [piece async for piece in answer.aiter_raw()]
    assert b"hi" in b"".join(pieces)
    assert len(pieces) > 1


@pytest.mark.parametrize(
    ("fault", "stream"), [("endless_body", False), ("endless_line", True), ("endless_comments", True)]
)
async def test_an_endless_answer_goes_on_until_it_is_cut(client: httpx.AsyncClient, fault: str, stream: bool) -> None:
    path, body = request_of("openai-chat", f"[fault:{fault}]", stream=stream)
    received = 0
    async with client.stream("POST", path, json=body) as answer:
        async for piece in answer.aiter_raw():
            received += len(piece)
            if received > 3_000_000:
                break
    assert received > 3_000_000


async def test_hostile_headers_come_with_a_right_answer(client: httpx.AsyncClient) -> None:
    for vendor in sorted(ALL):
        answer = await ask(client, vendor, "[fault:hostile_headers]")
        assert answer.json()
        assert answer.headers["x-should-retry"] == "true"
        assert "set-cookie" in answer.headers


async def test_the_content_type_can_be_wrong_above_a_right_answer(client: httpx.AsyncClient) -> None:
    for vendor in sorted(ALL):
        answer = await ask(client, vendor, "[fault:wrong_content_type]")
        assert answer.headers["content-type"].startswith("text/html")
        assert answer.json()


async def test_a_fault_can_be_meant_for_one_vendor_only(client: httpx.AsyncClient) -> None:
    prompt = "a cat [fault:server_error@ccapi]"
    assert (await ask(client, "ccapi", prompt)).status_code == 500
    assert (await ask(client, "uniall", prompt)).status_code == 200


async def test_a_fault_can_come_by_header_and_by_key(client: httpx.AsyncClient) -> None:
    path, body = request_of("ccapi", "a cat")
    by_header = await client.post(path, json=body, headers={"x-sandbox-fault": "null_200@google, rate_limited@ccapi"})
    by_key = await client.post(path, json=body, headers={"authorization": KEY["authorization"] + "x"})
    limited = await client.post(path, json=body, headers={"authorization": "Bearer sandbox-fault-rate_limited"})
    assert [answer.status_code for answer in (by_header, by_key, limited)] == [429, 200, 429]


async def test_an_unknown_fault_is_refused_so_that_no_test_passes_by_a_typing_error(client: httpx.AsyncClient) -> None:
    for vendor in sorted(ALL):
        answer = await ask(client, vendor, "[fault:rate_limitted]")
        assert answer.status_code == 400
        assert "rate_limitted" in answer.text


async def test_the_table_can_be_read_over_http(client: httpx.AsyncClient) -> None:
    assert (await client.get("/_faults")).json().keys() == FAULTS.keys()
