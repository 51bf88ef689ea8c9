"""The call log: what tests of the gateway rely on to say that a vendor was called once, or not at all."""

import hashlib
from pathlib import Path

import httpx
import orjson

from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve
from tests.sandbox.support import KEY, HandClock

IMAGES = "/ccapi//v1/images/generations"
BODY = {"model": "nano-banana", "prompt": "a cat", "aspect_ratio": "16:9"}


async def test_an_accepted_call_is_written_down_with_what_was_understood(client: httpx.AsyncClient) -> None:
    answer = await client.post(IMAGES, json=BODY, headers={"x-oneshape-attempt": "att_1"})
    (call,) = (await client.get("/_calls")).json()["calls"]
    assert call == {
        "ordinal": 1,
        "at": 1_790_000_000.0,
        "vendor": "ccapi",
        "model": "nano-banana",
        "paid": True,
        "outcome": "ok",
        "status": 200,
        "attempt": "att_1",
        "body_sha256": hashlib.sha256(answer.request.content).hexdigest(),
        "order": {
            "prompt": "a cat",
            "width": 1344,
            "height": 768,
            "ratio": "16:9",
            "format": "png",
            "n": 1,
            "references": [],
        },
    }


async def test_refused_calls_are_not_paid_and_shown_only_on_demand(client: httpx.AsyncClient) -> None:
    await client.post(IMAGES, json={**BODY, "model": "none"})
    await client.post(IMAGES, json={**BODY, "prompt": "[fault:rate_limited]"})
    await client.post(IMAGES, json=BODY, headers={"authorization": ""})
    assert (await client.get("/_calls")).json()["count"] == 0
    shown = (await client.get("/_calls?all=true")).json()["calls"]
    assert [(call["outcome"], call["status"]) for call in shown] == [
        ("refused", 400),
        ("rate_limited", 200),
        ("refused", 401),
    ]
    assert not any(call["paid"] for call in shown)


async def test_the_log_can_be_filtered_and_forgotten(client: httpx.AsyncClient) -> None:
    await client.post(IMAGES, json=BODY)
    assert (await client.get("/_calls?vendor=google")).json()["count"] == 0
    assert (await client.get("/_calls?vendor=ccapi")).json()["count"] == 1
    assert (await client.delete("/_calls")).status_code == 204
    assert (await client.get("/_calls")).json()["count"] == 0


async def test_the_log_keeps_the_newest_calls_and_every_line_on_disk(tmp_path: Path) -> None:
    log = tmp_path / "calls.jsonl"
    config = SandboxConfig(calls_max=2, log_path=log, clock=HandClock())
    async with serve(config) as base, httpx.AsyncClient(base_url=base, headers=KEY) as client:
        for _ in range(3):
            await client.post(IMAGES, json=BODY)
        kept = (await client.get("/_calls")).json()["calls"]
    assert [call["ordinal"] for call in kept] == [2, 3]
    assert [orjson.loads(line)["ordinal"] for line in log.read_bytes().splitlines()] == [1, 2, 3]


async def test_old_results_are_forgotten_before_memory_is_full() -> None:
    config = SandboxConfig(files_max_bytes=1, clock=HandClock())
    async with serve(config) as base, httpx.AsyncClient(base_url=base, headers=KEY) as client:
        urls = [(await client.post(IMAGES, json=BODY)).json()["data"][0]["url"] for _ in range(2)]
        assert [(await client.get(url)).status_code for url in urls] == [404, 200]
        assert (await client.get("/samples/mug.png")).status_code == 200


async def test_latency_passes_on_the_clock(clock: HandClock) -> None:
    config = SandboxConfig(latency_s=30.0, clock=clock)
    async with serve(config) as base, httpx.AsyncClient(base_url=base, headers=KEY) as client:
        before = clock.time
        await client.post(IMAGES, json=BODY)
    assert clock.time == before + 30.0
