"""One line for each request, from a real process through the logging that operators have."""

import json
import signal
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from tests.security.sockets import ask
from tests.support.gateway import ADMIN_KEY
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready, waited

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORGED: Final = quote('\n{"event":"request","path":"forged"}\x1b[2J\x9b31m')
FIELDS: Final = {
    "event",
    "level",
    "timestamp",
    "request_id",
    "method",
    "path",
    "status",
    "duration_ms",
    "key_id",
    "task_id",
    "model",
}


class Told:
    """What a process was asked, and its log."""

    def __init__(self) -> None:
        self.answers: dict[str, httpx.Response] = {}
        self.key_id = ""
        self.lines: list[dict[str, Any]] = []

    def line(self, name: str) -> dict[str, Any]:
        """The one line of the request of that name."""
        request_id = self.answers[name].headers["x-request-id"]
        (found,) = [line for line in self.lines if line.get("request_id") == request_id and line["event"] == "request"]
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    directory, told, port = tmp_path_factory.mktemp("log"), Told(), free_port()
    environment = gateway_environment(
        directory, f"sqlite+aiosqlite:///{directory}/oneshape.db", port=str(port), grace_s="2", grace_hard_s="3"
    )
    with started(environment, "serve", directory=directory) as process:
        url = f"http://127.0.0.1:{port}"
        await wait_until_ready(url, process)
        await _talk(url, told)
        process.send_signal(signal.SIGTERM)
        assert await waited(process) == 0
    told.lines = [json.loads(line) for line in (directory / "log").read_text("utf-8").splitlines()]
    yield told


async def _talk(url: str, told: Told) -> None:
    admin = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=url, timeout=20) as client:
        account = (
            await client.post("/admin/accounts", json={"name": "a", "billing": "unlimited"}, headers=admin)
        ).json()
        key = (await client.post("/admin/keys", json={"account_id": account["id"], "name": "k"}, headers=admin)).json()
        told.key_id = key["id"]
        ours = {"authorization": f"Bearer {key['key']}"}
        told.answers = {
            "account": await client.get("/v1/account", headers=ours),
            "one task": await client.get("/v1/images/tasks/task_canary?key=canary", headers=ours),
            "nobody": await client.post("/v1/images/generations", json={"prompt": "canary"}),
            "nowhere": await client.get("/canary-path" + FORGED, params={"key": "canary-key"}),
            "forged": await client.get("/v1/images/tasks/" + FORGED, headers=ours),
            "query key": await client.get("/v1beta/models", params={"key": key["key"], "pageSize": "x"}),
            "health": await client.get("/healthz"),
            "no model": await client.post(
                "/v1/chat/completions", json={"model": "canary", "messages": []}, headers=ours
            ),
        }
    await ask(url, b"PROPFIND /canary HTTP/1.1\r\nHost: a\r\n\r\n")


async def test_a_request_has_one_line_that_says_what_became_of_it(told: Told) -> None:
    line = told.line("account")
    assert line.keys() == FIELDS
    assert (line["method"], line["path"], line["status"], line["level"]) == ("GET", "/v1/account", 200, "info")
    assert line["key_id"] == told.key_id
    assert line["duration_ms"] > 0


async def test_a_path_is_told_as_the_route_and_never_with_its_query(told: Told) -> None:
    assert told.line("one task")["path"] == "/v1/images/tasks/{task_id}"
    assert told.line("query key")["path"] == "/v1beta/models"
    assert told.line("nowhere")["path"] == "none"


async def test_a_refused_request_has_its_line_too(told: Told) -> None:
    line = told.line("nobody")
    assert (line["status"], line["key_id"], line["model"]) == (401, None, None)
    assert (told.line("no model")["status"], told.line("no model")["model"]) == (404, None)


async def test_health_checks_do_not_fill_the_log(told: Told) -> None:
    request_id = told.answers["health"].headers["x-request-id"]
    assert [line for line in told.lines if line.get("request_id") == request_id] == []


async def test_nothing_that_a_client_made_up_is_in_the_log(told: Told) -> None:
    """H100: no path, query, prompt, method or model name; and no line of a client's own."""
    assert told.line("forged")["path"] == "/v1/images/tasks/{task_id}"
    whole = json.dumps(told.lines)
    for planted in ("canary", "forged", "PROPFIND", "\\u001b"):
        assert planted not in whole, planted
