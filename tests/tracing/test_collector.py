"""A gateway as operators start it, and a collector: what the standard variables turn on, and what is not there else."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.cli.serving import serving
from app.core.clock import Clock
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.wiring.traces import wanted
from tests.support.processes import ROOT, free_port, gateway_environment, started, wait_until_ready, waited

CATALOG = """
version: 1
vendors:
  house: {{dialect: openai_chat, base_url: "{url}/openai/v1", api_keys: ["sandbox-one"]}}
models:
  - {{id: small, kind: chat, price: {{per_request: "0.01"}}, targets: [{{vendor: house, model: gpt-4o-mini}}]}}
"""


class Collector:
    """Keeps what it is sent by OTLP over HTTP."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.services: set[str] = set()
        self.spans: list[Span] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        message = ExportTraceServiceRequest.FromString(await request.body())
        self.paths.append(request.url.path)
        for resource in message.resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(named["service.name"])
            self.spans += [span for scope_spans in resource.scope_spans for span in scope_spans.spans]
        await Response(b"", media_type="application/x-protobuf")(scope, receive, send)


async def test_a_process_sends_its_spans_to_the_collector_that_the_environment_names(tmp_path: Path) -> None:
    collector, port = Collector(), free_port()
    async with serve_sandbox(SandboxConfig()) as sandbox_url, serving(collector) as collector_url:
        (tmp_path / "catalog.yaml").write_text(CATALOG.format(url=sandbox_url), "utf-8")
        database_url = f"sqlite+aiosqlite:///{tmp_path}/oneshape.db"
        environment = gateway_environment(tmp_path, database_url, catalog=str(tmp_path / "catalog.yaml"))
        environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": collector_url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
        with started(environment, "serve", "--port", str(port), directory=tmp_path) as process:
            url = f"http://127.0.0.1:{port}"
            await wait_until_ready(url, process)
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"{url}/v1/account")
            await _until(lambda: any(span.name == "GET /v1/account" for span in collector.spans))
            process.terminate()
            assert await waited(process) == 0
    assert set(collector.paths) == {"/v1/traces"}
    assert collector.services == {"oneshape"}


async def _until(met: Callable[[], bool]) -> None:
    clock = Clock()
    until = clock.monotonic() + 60
    while not met():
        assert clock.monotonic() < until, "the collector was told nothing"
        await clock.sleep(0.05)


@pytest.mark.parametrize(
    ("environment", "on"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_on_where_a_collector_is_named(environment: dict[str, str], on: bool) -> None:
    assert wanted(environment) is on


def test_a_process_that_records_nothing_loads_nothing_for_it() -> None:
    code = "import sys, app.cli.main; print(sorted(n for n in sys.modules if n.startswith('opentelemetry.sdk')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
