"""What the protocol refuses by itself is seen: one line with the id that the client was told, and a count (C37-C46)."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from app.core.clock import Clock
from app.gateway.metrics import Metrics
from app.web.patience import ConnectionLimits
from app.web.refusals import telling
from tests.security.sockets import HEAD, QUICK, Answer, ask, connected, witnessed
from tests.support.gateway import ADMIN_KEY
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready

BAD = b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"
LONG = b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
HEADERS = b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 33_000 + b"\r\n\r\n"


def counted(metrics: Metrics) -> dict[str, float]:
    """The refusals by reason."""
    (family,) = (one for one in metrics.registry.collect() if one.name == "oneshape_connections_refused")
    return {sample.labels["reason"]: sample.value for sample in family.samples if sample.name.endswith("_total")}


async def test_c37_to_c39_a_refused_head_is_counted_and_logged_with_the_id_that_was_told() -> None:
    metrics = Metrics()
    with capture_logs() as lines:
        async with witnessed(refused=telling(metrics.refused)) as (url, _):
            answers = [await ask(url, request) for request in (BAD, LONG, HEADERS, HEAD)]
    told = [line for line in lines if line["event"] == "connection.refused"]
    assert [(line["status"], line["code"], line["request_id"]) for line in told] == [
        (answer.status, answer.error["code"], answer.headers["x-request-id"]) for answer in answers[:3]
    ]
    assert counted(metrics) == {"400": 1, "414": 1, "431": 1}


async def test_c43_c44_silence_is_counted_apart_from_half_a_head() -> None:
    metrics = Metrics()
    async with (
        witnessed(refused=telling(metrics.refused)) as (url, _),
        connected(url) as silent,
        connected(url) as half,
    ):
        await half.send(b"GET / HT")
        await half.refused(408, "request_timeout")
        assert await silent.rest() == b""
    assert counted(metrics) == {"408": 1, "silent": 1}


async def test_a_crowd_is_counted() -> None:
    metrics = Metrics()
    limits = ConnectionLimits(connections=1)
    async with (
        witnessed(limits, refused=telling(metrics.refused)) as (url, _),
        connected(url) as first,
        connected(url) as second,
    ):
        assert await first.rest() == b""
        await second.send(HEAD)
        assert (await second.answer()).status == 200
    assert counted(metrics) == {"crowded_out": 1}


async def test_a_process_takes_its_limits_from_the_settings_and_logs_what_it_refused(tmp_path: Path) -> None:
    """C39, C45: each is refused just above what was set, and served below."""
    port = free_port()
    limits = {"max_header_kb": "8", "max_headers": "20", "max_target_kb": "1", "body_idle_timeout_s": "1"}
    environment = gateway_environment(tmp_path, f"sqlite+aiosqlite:///{tmp_path}/a.db", port=str(port), **limits)
    with started(environment, "serve", directory=tmp_path) as process:
        url = f"http://127.0.0.1:{port}"
        await wait_until_ready(url, process)
        many = b"".join(b"X-%d: a\r\n" % n for n in range(25))
        asked = [b"GET /healthz?%b HTTP/1.1\r\nHost: a\r\n\r\n" % (b"a" * size) for size in (900, 1100)]
        asked += [b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: %b\r\n\r\n" % (b"a" * size) for size in (7000, 9000)]
        asked += [b"GET /healthz HTTP/1.1\r\nHost: a\r\n%b\r\n" % many]
        answers = [await ask(url, request) for request in asked]
        assert [answer.status for answer in answers] == [200, 414, 200, 431, 431]
        async with connected(url) as half:
            head = b"POST /admin/keys HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %b\r\nContent-Length: 5\r\n\r\na"
            await half.send(head % ADMIN_KEY.encode())
            stopped = await half.refused(408, "request_timeout")
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]  # whole, now that it has ended
    for answer in (answers[1], answers[3], answers[4], stopped):
        line = {"event": "connection.refused", "status": answer.status, "code": answer.error["code"]}
        assert line.items() <= told(log, answer)[-1].items()
    # What the application had begun has one id in both of its lines: its own, and the protocol's.
    assert [line["event"] for line in told(log, stopped)].count("request") == 1


def told(log: list[dict[str, Any]], answer: Answer) -> list[dict[str, Any]]:
    """The log's lines about an answer, the protocol's last."""
    lines = [line for line in log if line.get("request_id") == answer.headers["x-request-id"]]
    return sorted(lines, key=lambda line: bool(line["event"] == "connection.refused"))


async def test_c45_a_body_may_be_slow_where_the_setting_says_so() -> None:
    """0 asks for no pace; silence is still ended."""
    limits = replace(QUICK, body_rate=0, body_s=30, body_idle_s=5)
    async with witnessed(limits) as (url, _), connected(url) as connection:
        await connection.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        for _ in range(9):
            await connection.send(b"a")
            await Clock().sleep(0.06)
        assert (await connection.answer()).status == 200
