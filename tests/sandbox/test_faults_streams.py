"""Faults of the stages `stream` and `usage`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import orjson
import pytest

from app.sandbox.config import SandboxConfig
from app.sandbox.faults import FAULTS
from app.sandbox.server import serve
from tests.sandbox.support import KEY, HandClock, events
from tests.sandbox.visiting import ask

STREAMS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "keepalive_comments": lambda raw: raw.startswith(b": keep-alive\n\n: ping\n"),
    "no_done": lambda raw: b"[DONE]" not in raw and raw.endswith(b"}\n\n"),
    "empty_events": lambda raw: raw.startswith(b"event: ping\n\ndata:\n\n"),
    "big_line": lambda raw: max(map(len, raw.split(b"\n"))) > 8 * 1024 * 1024,
    "crlf": lambda raw: raw.count(b"\n") == raw.count(b"\r\n") > 1,
    "no_last_newline": lambda raw: not raw.endswith(b"\n"),
    "no_space_data": lambda raw: b"data:{" in raw and b"data: {" not in raw,
    "json_when_sse": lambda raw: isinstance(orjson.loads(raw), dict),
    "error_mid_stream": lambda raw: b'data: {"error":{' in raw,
}
ELSEWHERE: Final = {"sse_when_json", "endless_line", "endless_comments"}
COUNTS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "usage_null": lambda counts: counts is None,
    "usage_negative": lambda counts: counts["total"] < 0,
    "usage_strings": lambda counts: isinstance(counts["total"], str),
    "usage_huge": lambda counts: counts["total"] == 10**18,
    "usage_absent": lambda counts: counts == "absent",
}


def test_every_fault_of_these_stages_has_a_check() -> None:
    assert {name for name, fault in FAULTS.items() if fault.stage == "stream"} == STREAMS.keys() | ELSEWHERE
    assert {name for name, fault in FAULTS.items() if fault.stage == "usage"} == COUNTS.keys()


@pytest.mark.parametrize("name", STREAMS)
async def test_the_stream_is_spoiled_as_the_fault_says(client: httpx.AsyncClient, name: str) -> None:
    for vendor in sorted(FAULTS[name].vendors):
        right = await ask(client, vendor, "a cat", stream=True)
        spoiled = await ask(client, vendor, f"a cat [fault:{name}]", stream=True)
        assert STREAMS[name](spoiled.content), (vendor, spoiled.content[:200])
        assert right.headers["content-type"].startswith("text/event-stream")
        assert not _spoiled(name, right.content)


def _spoiled(name: str, raw: bytes) -> bool:
    return name != "json_when_sse" and bool(STREAMS[name](raw))


async def test_events_can_come_unasked(client: httpx.AsyncClient) -> None:
    for vendor in sorted(FAULTS["sse_when_json"].vendors):
        assert events(await ask(client, vendor, "a cat [fault:sse_when_json]")), vendor


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", COUNTS)
async def test_the_counts_are_spoiled_as_the_fault_says(client: httpx.AsyncClient, name: str, stream: bool) -> None:
    for vendor in sorted(FAULTS[name].vendors):
        answer = await ask(client, vendor, f"a cat [fault:{name}]", stream=stream)
        last: dict[str, Any] = events(answer)[-1] if stream else answer.json()
        assert COUNTS[name](_counts(last)), (vendor, last)


def _counts(document: dict[str, Any]) -> Any:
    counts = document.get("usage", document.get("usageMetadata", "absent"))
    if not isinstance(counts, dict):
        return counts
    return {"total": counts.get("total_tokens", counts.get("totalTokenCount"))}


async def test_a_slow_model_paces_its_chunks_by_the_clock(clock: HandClock) -> None:
    config = SandboxConfig(chunk_s=2.0, clock=clock)
    async with serve(config) as base, httpx.AsyncClient(base_url=base, headers=KEY) as client:
        before = clock.time
        answer = await ask(client, "openai-chat", "hi", stream=True)
    assert clock.time - before == 2.0 * len(events(answer))
