"""Which spans a request leaves, on a whole gateway with simulated vendors: whose they are and what they say."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import pytest_asyncio
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.support.gateway import Running, running_gateway
from tests.tracing.recorded import Recorded, facts, is_child

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRACE = "4bf92f3577b34da6a3ce929d0e0e47"  # and two digits of the test's
FOX = {"model": "nano-banana-pro-2k", "prompt": "canary-prompt of a fox"}
CHAT = {"model": "gpt-small", "messages": [{"role": "user", "content": "canary-prompt"}]}


@dataclass(frozen=True, slots=True)
class Traced:
    gateway: Running
    recorded: Recorded


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Traced]:
    recorded = Recorded()
    async with running_gateway(tmp_path_factory.mktemp("traces"), traces=recorded.traces) as gateway:
        yield Traced(gateway, recorded)


def client_of(traced: Traced, number: int, *, sampled: bool = True) -> tuple[httpx.AsyncClient, str]:
    """A client that is itself in a trace, and the trace's id."""
    trace_id = f"{TRACE}{number:02d}"
    headers = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-0{int(sampled)}"}
    return traced.gateway.client(headers=headers), trace_id


def only(spans: list[ReadableSpan]) -> ReadableSpan:
    assert len(spans) == 1, [span.name for span in spans]
    return spans[0]


async def test_a_picture_is_a_request_and_under_it_the_vendor(traced: Traced) -> None:
    client, trace_id = client_of(traced, 1)
    async with client:
        answer = await client.post("/v1/images/generations", json=FOX)
    assert answer.status_code == 200, answer.text
    request = only(traced.recorded.of(trace_id, SpanKind.SERVER))
    vendor = only(traced.recorded.of(trace_id, SpanKind.CLIENT))
    assert request.name == "POST /v1/images/generations"
    assert facts(request) == {
        "http.request.method": "POST",
        "http.route": "/v1/images/generations",
        "http.response.status_code": 200,
        "gen_ai.request.model": "nano-banana-pro-2k",
        "oneshape.request_id": answer.headers["x-request-id"],
        "oneshape.key_id": facts(request)["oneshape.key_id"],
        "oneshape.task_id": answer.headers["oneshape-task-id"],
        "oneshape.units": int(answer.headers["oneshape-units"]),
    }
    assert request.parent is not None
    assert request.parent.span_id == 0x00F067AA0BA902B7
    assert is_child(vendor, request)
    said = facts(vendor)
    assert said["gen_ai.operation.name"] == "generate_content"
    assert said["gen_ai.output.type"] == "image"
    assert said["oneshape.outcome"] == "delivered"
    assert said["oneshape.task_id"] == answer.headers["oneshape-task-id"]
    assert said["server.address"] == "127.0.0.1"
    assert said["gen_ai.provider.name"] in traced.gateway.services.catalog().vendors
    assert vendor.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_text_says_its_tokens_and_the_model_that_answered(traced: Traced, stream: bool) -> None:
    client, trace_id = client_of(traced, 2 + stream)
    async with client:
        answer = await client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    assert answer.status_code == 200, answer.text
    vendor, request = (only(traced.recorded.of(trace_id, kind)) for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    said = facts(vendor)
    assert said["gen_ai.operation.name"] == "chat"
    assert said["gen_ai.response.model"]
    assert said["gen_ai.usage.input_tokens"] > 0
    assert said["gen_ai.usage.output_tokens"] > 0
    assert is_child(vendor, request)
    if not stream:
        usage = answer.json()["usage"]
        assert (said["gen_ai.usage.input_tokens"], said["gen_ai.usage.output_tokens"]) == (
            usage["prompt_tokens"],
            usage["completion_tokens"],
        )


async def test_a_vendor_that_refuses_and_the_one_that_serves_are_two_spans(traced: Traced) -> None:
    client, trace_id = client_of(traced, 4)
    targets = traced.gateway.services.catalog().models["nano-banana-pro-2k"].targets
    first = {target.vendor.name for target in targets if target.priority == min(one.priority for one in targets)}
    busy = " ".join(f"[fault:rate_limited@{vendor}]" for vendor in first)
    async with client:
        answer = await client.post("/v1/images/generations", json={**FOX, "prompt": f"a fox {busy}"})
    spans = traced.recorded.of(trace_id, SpanKind.CLIENT)
    outcomes = [facts(span)["oneshape.outcome"] for span in spans]
    assert answer.status_code == 200, answer.text
    assert outcomes == ["rate_limited"] * len(first) + ["delivered"]
    assert facts(spans[0])["error.type"] == "rate_limited"
    assert facts(spans[0])["http.response.status_code"] == 429
    assert spans[0].status.status_code is StatusCode.ERROR


async def test_an_async_task_goes_on_with_its_requests_trace(traced: Traced) -> None:
    client, trace_id = client_of(traced, 5)
    async with client:
        task_id = (await client.post("/v1/images/tasks", json=FOX)).json()["data"]["task_id"]
        del client.headers["traceparent"]
        ended = (await client.get(f"/v1/images/tasks/{task_id}?wait=60")).json()["data"]
    assert ended["status"] == "succeeded"
    vendor, request = (only(traced.recorded.of(trace_id, kind)) for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    assert is_child(vendor, request)
    assert facts(vendor)["oneshape.task_id"] == facts(request)["oneshape.task_id"] == task_id


async def test_a_client_that_samples_nothing_is_not_recorded(traced: Traced) -> None:
    client, trace_id = client_of(traced, 6, sampled=False)
    async with client:
        assert (await client.post("/v1/images/generations", json=FOX)).status_code == 200
    assert traced.recorded.of(trace_id, SpanKind.SERVER) == traced.recorded.of(trace_id, SpanKind.CLIENT) == []


async def test_nothing_that_a_client_made_up_is_in_a_span(traced: Traced) -> None:
    """H100: a prompt, a key, a path, a method."""
    async with traced.gateway.client(headers={"traceparent": "canary-trace"}) as client:
        await client.get("/canary-path?key=canary-query")
        await client.request("PROPFIND", "/healthz")
        await client.get("/v1/account", headers={"authorization": "Bearer sk-canary-key"})
        assert (await client.post("/v1/images/generations", json={**FOX, "model": "canary-model"})).status_code == 404
    written = " ".join(span.to_json() for span in traced.recorded.all)
    assert "canary" not in written.lower()
    assert traced.gateway.key not in written
    assert {"_OTHER", "GET"} <= {facts(span).get("http.request.method") for span in traced.recorded.all}


async def test_vendors_are_not_told_of_the_trace_unless_it_is_set(traced: Traced) -> None:
    chosen = traced.gateway.services.catalog().models["nano-banana-pro-2k"].targets[0]
    assert dict(traced.recorded.traces.calling(chosen).headers) == {}
    told = Recorded(tells_vendors=True).traces.calling(chosen).headers
    assert set(told) == {"traceparent"}
