"""Planted secrets and where they are not: a talkative real process, its answers, its log and its database."""

import re
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio

from app.cli.sandboxed import sandboxed_catalog
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.sandbox.vendors import CREDENTIAL
from tests.security.test_rights import TABLE
from tests.support.gateway import ADMIN_KEY, SECRET_KEY
from tests.support.processes import free_port, gateway_environment, started, wait_until_ready, waited

pytestmark = pytest.mark.asyncio(loop_scope="module")

VENDOR_KEY: Final = "sandbox-canary-vendor-key-91c0"
PROMPT: Final = "canary-prompt-5e21 a red fox"
TOKEN: Final = "canary-url-token-77ab"
QUERY_KEY: Final = "sk-canary-query-key-3d4e"
GUESS: Final = "sk-canary-wrong-key-aa01"
IDEMPOTENCY: Final = "canary-idempotency-c3"
METADATA: Final = "canary-metadata-4f"
LOG_FORGERY: Final = 'x\n{"event":"canary-forged-line","level":"error"}\x1b[31m'

LEAKED: Final = {"inner address": "10.0.0.7", "vendor's own key": "sk-leaked", "brand": "BrandX"}
"""What the sandbox's `leaky_error` says."""

GENERATIONS: Final = "/v1/images/generations"
CHAT: Final = "/v1/chat/completions"
FAULTS: Final = ("leaky_error", "server_error", "html_200", "unauthorized", "hang_up", "redirect_inside", "inside_url")


@dataclass
class Told:
    """What a process said, to clients, to the operator, to its log and to its database."""

    client_key: str = ""
    to_clients: list[str] = field(default_factory=list)
    to_operator: list[str] = field(default_factory=list)
    log: str = ""
    database: bytes = b""


def said(answer: httpx.Response) -> str:
    return f"{answer.request.url.path} {answer.status_code} {dict(answer.headers)} {answer.text}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    directory, told, port = tmp_path_factory.mktemp("secrets"), Told(), free_port()
    database = directory / "oneshape.db"
    environment = gateway_environment(
        directory, f"sqlite+aiosqlite:///{database}", log_level="debug", port=str(port), grace_s="2", grace_hard_s="3"
    )
    async with serve_sandbox(SandboxConfig(task_seconds=0.05)) as sandbox_url:
        with started(environment, "serve", directory=directory) as process:
            url = f"http://127.0.0.1:{port}"
            await wait_until_ready(url, process)
            catalog = sandboxed_catalog(sandbox_url).replace(CREDENTIAL, VENDOR_KEY)
            await _talk(url, sandbox_url, catalog, told)
            process.send_signal(signal.SIGTERM)
            assert await waited(process) == 0
    told.log = (directory / "log").read_text("utf-8")
    told.database = b"".join(path.read_bytes() for path in directory.glob("oneshape.db*"))
    yield told


async def _talk(url: str, sandbox_url: str, catalog: str, told: Told) -> None:
    """Everything that clients and operators do, well and badly."""
    admin_headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=admin_headers, timeout=30) as admin:
        put = await admin.put("/admin/catalog", content=catalog, headers={"content-type": "application/yaml"})
        assert put.status_code == 200, put.text
        told.to_operator.append(said(put))
        account = (await admin.post("/admin/accounts", json={"name": "a", "billing": "unlimited"})).json()["id"]
        key = (await admin.post("/admin/keys", json={"account_id": account, "name": "k"})).json()
        told.client_key = key["key"]
        bill = await admin.post(
            "/admin/bills", params={"vendor": "google"}, content="amount\n1.00\n", headers={"content-type": "text/csv"}
        )
        assert bill.status_code in (200, 201), bill.text
        async with httpx.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {told.client_key}"}, timeout=30
        ) as client:
            told.to_clients += [said(answer) for answer in await _requests(client, sandbox_url)]
        for method, pattern in TABLE:
            if method == "GET" and pattern.startswith("/admin"):
                path = pattern.replace("{account_id}", account).replace("{key_id}", key["id"])
                path = path.replace("{bill_id}", bill.json()["id"]).replace("{name}", "google")
                task = (await admin.get("/admin/tasks")).json()["items"][0]["id"]
                answer = await admin.get(path.replace("{task_id}", task))
                assert answer.status_code == 200, said(answer)
                told.to_operator.append(said(answer))
        told.to_operator.append(said(await admin.get("/admin/catalog", headers={"accept": "application/yaml"})))
        bad = catalog.replace("dialect: gemini", f"dialect: {VENDOR_KEY}")
        told.to_operator.append(said(await admin.put("/admin/catalog", content=bad)))


async def _requests(client: httpx.AsyncClient, sandbox_url: str) -> list[httpx.Response]:
    vendors = ("uniall-chat", "uniall-tasks", "infinityblue", "ccapi", "google", "openai")
    bodies: list[dict[str, Any]] = [
        {"model": f"nano-banana-pro-1k@{vendor}", "prompt": f"{PROMPT}{fault}"}
        for vendor in vendors[:5]
        for fault in ("", *(f" [fault:{name}]" for name in FAULTS))
    ]
    bodies += [
        {"model": "nano-banana", "prompt": PROMPT, "image": f"{sandbox_url}/nothing.png?token={TOKEN}"},
        {"model": "nano-banana", "prompt": PROMPT, "image": f"http://user:{TOKEN}@10.0.0.1/x.png"},
        {"model": "nano-banana", "prompt": PROMPT, "image": f"http://no-such-host.invalid/x.png?token={TOKEN}"},
        {"model": "nano-banana", "prompt": PROMPT, "metadata": {"note": METADATA}, "user": LOG_FORGERY},
        {"model": f"{PROMPT}", "prompt": PROMPT},
    ]
    chat = {"model": "gpt-small", "messages": [{"role": "user", "content": PROMPT}]}
    guess = {"authorization": f"Bearer {GUESS}"}
    keyed = {"idempotency-key": IDEMPOTENCY}
    gemini = {"contents": [{"parts": [{"text": PROMPT}]}]}
    answers = [
        await client.post(GENERATIONS, json=body, headers=keyed if n == 0 else {}) for n, body in enumerate(bodies)
    ]
    answers += [
        await client.post(CHAT, json=chat),
        await client.post(CHAT, json={**chat, "stream": True}),
        await client.post(CHAT, content=f'{{"model":"nano-banana","prompt":"{PROMPT}" broken'),
        await client.post(
            f"/v1beta/models/nano-banana:generateContent?key={QUERY_KEY}", json=gemini, headers={"authorization": ""}
        ),
        await client.post(
            "/v1/images/tasks", json={**bodies[0], "webhook_url": f"https://hooks.invalid/?token={TOKEN}"}
        ),
        await client.get("/v1/account", headers=guess),
        await client.get(f"/v1/models?key={GUESS}"),
        await client.get("/admin/accounts", headers=guess),
        await client.get("/v1/media/x.png", params={"exp": "1", "sig": TOKEN}),
    ]
    return answers


def leaks(secrets: dict[str, str], texts: list[str]) -> list[str]:
    """Which secret is where."""
    return [f"{name}: {text[:300]}" for text in texts for name, secret in secrets.items() if secret in text]


async def test_the_traffic_was_real(told: Told) -> None:
    """Without this the scans would find nothing in nothing."""
    statuses = re.findall(r"^\S+ (\d+)", "\n".join(told.to_clients), re.MULTILINE)
    assert {"200", "400", "401", "403", "404", "502"} <= set(statuses), statuses
    assert told.log.count("\n") > 20
    assert PROMPT.encode() in told.database


async def test_clients_are_told_no_secret_and_no_vendors_words(told: Told) -> None:
    """F81, H100."""
    secrets = {"vendor key": VENDOR_KEY, "admin": ADMIN_KEY, "secret": SECRET_KEY, "client key": told.client_key}
    secrets |= {"url token": TOKEN, "query key": QUERY_KEY, "guess": GUESS}
    secrets |= LEAKED | {"trace": "Traceback"}
    assert leaks(secrets, told.to_clients) == []


async def test_operators_are_told_no_credential(told: Told) -> None:
    secrets = {"vendor key": VENDOR_KEY, "admin": ADMIN_KEY, "secret": SECRET_KEY, "client key": told.client_key}
    assert leaks(secrets, told.to_operator) == []


async def test_the_log_has_no_secret_no_prompt_and_no_url_of_a_client(told: Told) -> None:
    """H100, A7, B34."""
    secrets = {"vendor key": VENDOR_KEY, "admin": ADMIN_KEY, "secret": SECRET_KEY, "client key": told.client_key}
    secrets |= {"prompt": PROMPT, "url token": TOKEN, "query key": QUERY_KEY, "guess": GUESS}
    secrets |= {"idempotency": IDEMPOTENCY, "metadata": METADATA} | LEAKED
    assert leaks(secrets, told.log.splitlines()) == []


async def test_the_log_is_one_json_object_a_line_whatever_clients_send(told: Told) -> None:
    """H100: nobody writes a line of their own into it."""
    assert [line for line in told.log.splitlines() if not (line.startswith("{") and line.endswith("}"))] == []
    assert not [line for line in told.log.splitlines() if line.startswith('{"event":"canary-forged-line"')]
    assert "\x1b" not in told.log


async def test_the_database_alone_opens_nothing(told: Told) -> None:
    """Keys are hashed, vendors' keys sealed; the two secrets are elsewhere."""
    for secret in (VENDOR_KEY, ADMIN_KEY, SECRET_KEY, told.client_key, told.client_key[3:], LEAKED["vendor's own key"]):
        assert secret.encode() not in told.database, secret
