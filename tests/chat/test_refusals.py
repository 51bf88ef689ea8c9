"""What a text request is refused for before any vendor is asked: nothing is held, and the error is the contract's."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

import httpx
import pytest
import pytest_asyncio

from app.gateway.account_forms import AccountPatch
from tests.chat.vendor import SAID, Payer, Vendor, World, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = json.dumps(SAID).encode()
JSON = {"content-type": "application/json"}
NOTHING: Mapping[str, str] = MappingProxyType({})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("refusals"), max_chat_body_mb=1) as opened:
        yield opened


async def post(payer: Payer, body: bytes = TEXT, headers: Mapping[str, str] = NOTHING) -> httpx.Response:
    async with payer.client() as client:
        sent: httpx.Response = await client.post("/v1/chat/completions", content=body, headers={**JSON, **headers})
        return sent


async def refused(payer: Payer, vendor: Vendor, response: httpx.Response, status: int, code: str) -> None:
    """It is the contract's error, nothing was held, and no vendor was asked."""
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("req_")
    assert vendor.received == []
    assert await payer.entries() == []
    assert await payer.chats() == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        (b'"text"', 400, "invalid_json"),
        (TEXT[:-1], 400, "invalid_json"),
        (TEXT + b"x", 400, "invalid_json"),
        (TEXT.replace(b'"model"', b'"model": "x", "model"'), 400, "invalid_json"),
        (TEXT[:-1] + b', "seed": NaN}', 400, "invalid_json"),
        (TEXT[:-1] + b', "seed": 1e999}', 400, "invalid_json"),
        (TEXT.replace(b"hello", b"\xff"), 400, "invalid_json"),
        (TEXT.replace(b"hello", b"\\ud800"), 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"messages": [{"role": "user", "content": "x"}]}', 400, "missing_required_parameter"),
        (b'{"model": "public-model"}', 400, "missing_required_parameter"),
        (TEXT.replace(b"public-model", b"no-such-model"), 404, "model_not_found"),
        (TEXT[:-1] + b', "messages": []}', 400, "invalid_json"),
        (TEXT[:-1] + b', "stream": 1}', 400, "invalid_value"),
        (TEXT[:-1] + b', "n": 1000}', 400, "invalid_value"),
        (TEXT[:-1] + b', "max_tokens": 1.5}', 400, "invalid_value"),
        (TEXT[:-1] + b', "stream": true, "stream_options": {"include_usage": "yes"}}', 400, "invalid_value"),
        (b" " * 2_000_000 + TEXT, 413, "request_too_large"),
    ],
)
async def test_what_cannot_be_read_is_refused(
    shared: World, vendor: Vendor, body: bytes, status: int, code: str
) -> None:
    payer = await shared.new_account()
    await refused(payer, vendor, await post(payer, body), status, code)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content-encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"authorization": "Bearer sk-wrong"}, 401, "invalid_api_key"),
        ({"authorization": ""}, 401, "missing_api_key"),
    ],
)
async def test_headers_that_will_not_do(
    shared: World, vendor: Vendor, headers: dict[str, str], status: int, code: str
) -> None:
    payer = await shared.new_account()
    await refused(payer, vendor, await post(payer, headers=headers), status, code)


async def test_a_key_that_may_not(shared: World, vendor: Vendor) -> None:
    other, expired = await shared.new_account(models=["per-request"]), await shared.new_account(expires_at=1)
    await refused(other, vendor, await post(other), 403, "model_not_allowed")
    await refused(expired, vendor, await post(expired), 401, "expired_api_key")
    disabled = await shared.new_account()
    await shared.gateway.services.accounts.patch(disabled.account_id, AccountPatch(disabled=True))
    await refused(disabled, vendor, await post(disabled), 403, "account_disabled")


@pytest.mark.parametrize("billing", ["prepaid", "unlimited"])
async def test_who_is_over_its_rate_waits(shared: World, vendor: Vendor, billing: str) -> None:
    payer = await shared.new_account(billing, requests_per_minute=1)
    assert (await post(payer, TEXT[:-1])).status_code == 400  # refused requests count too
    response = await post(payer)
    await refused(payer, vendor, response, 429, "rate_limit_exceeded")
    assert 1 <= int(response.headers["retry-after"]) <= 60
    assert response.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_key_has_no_more_at_work_than_it_may(shared: World, vendor: Vendor, stream: bool) -> None:
    payer = await shared.new_account(concurrency=2)
    body, go_on = json.dumps({**SAID, "stream": stream}).encode(), asyncio.Event()
    vendor.gate = go_on
    first = [asyncio.ensure_future(post(payer, body)) for _ in range(2)]
    while len(vendor.received) < 2:
        vendor.asked.clear()
        await vendor.asked.wait()
    response = await post(payer, body)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (429, "concurrency_limit_exceeded")
    assert response.headers["retry-after"] == "1"
    go_on.set()
    assert [(await each).status_code for each in first] == [200, 200]
    vendor.gate = None
    assert (await post(payer, body)).status_code == 200
    assert len(vendor.received) == 3
