"""Mutated answers of vendors: clients get a picture or the contract's error whatever they say, and pay for pictures."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.cli.sandboxed import sandboxed_catalog
from app.cli.serving import serving
from app.gateway.catalog.live import Revision, Source
from app.gateway.catalog.yaml import read, write
from app.sandbox.app import create_sandbox
from app.sandbox.config import SandboxConfig
from app.store import ledger_verify
from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.mutations import mutated_bytes
from tests.support.gateway import Running

VENDORS: Final = ("uniall-chat", "uniall-tasks", "infinityblue", "ccapi", "google", "openai")
VENDOR_TIMEOUT_S: Final = 5
STATUSES: Final = (
    100,
    103,
    200,
    201,
    204,
    206,
    226,
    299,
    301,
    302,
    304,
    400,
    401,
    402,
    404,
    409,
    418,
    429,
    500,
    520,
    599,
)
TYPES: Final = (b"text/html", b"application/json", b"text/event-stream", b"image/svg+xml", b"", b"x" * 2000)
SPLICES: Final = (
    *(b'"', b"{", b"}", b"[", b"null", b"NaN", b"1e999", b"\\ud800", b"\\u0000", b"data: ", b"\n\n", b"[DONE]"),
    *(
        b'"url":"http://169.254.169.254/latest"',
        b'"url":"file:///etc/passwd"',
        b'"error":{"message":"x"}',
        b'"code":"fail"',
    ),
    *(b'"b64_json":"####"', b"data:image/png;base64,", b"![image](", b'"status":"succeeded"', b"\xff\xfe", b"[" * 3000),
    *(
        b'"usage":{"total_tokens":-1}',
        b'"usage":{"total_tokens":1e30}',
        b'"progress":"101%"',
        b"<html>",
        b"IHDR",
        b"\0" * 64,
    ),
)


@dataclass
class Mutator:
    """The simulated vendors, and somebody between them and the gateway."""

    app: ASGIApp
    seed: int
    answers: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets one answer pass, or changes its status, its headers or its bytes."""
        rng = random.Random(f"{self.seed}/{self.answers}")
        self.answers += 1
        if scope["type"] != "http" or scope["path"].startswith("/_") or rng.random() < 0.3:
            await self.app(scope, receive, send)
            return
        start: Message = {"type": "http.response.start", "status": 500, "headers": []}
        body = bytearray()

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.extend(message.get("body", b""))

        await self.app(scope, receive, keep)
        await _send_spoiled(rng, start, bytes(body), send)


async def _send_spoiled(rng: random.Random, start: Message, body: bytes, send: Send) -> None:
    headers = [
        (name, value) for name, value in start["headers"] if name not in (b"content-length", b"transfer-encoding")
    ]
    kind = rng.random()
    if kind < 0.2:
        start["status"] = rng.choice([status for status in STATUSES if status >= 200])
    elif kind < 0.35:
        headers = [(name, value) for name, value in headers if name != b"content-type"]
        headers.append((b"content-type", rng.choice(TYPES)))
    else:
        body = mutated_bytes(rng, body, SPLICES)
    if start["status"] in (204, 304):
        body = b""
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def spoiled_vendors(seed: int) -> AsyncIterator[tuple[Source, str]]:
    """A catalog source whose vendors are spoiled, and their base URL."""
    sandbox = create_sandbox(SandboxConfig(task_seconds=0.05))
    async with serving(Mutator(sandbox, seed)) as url:
        revision = Revision(1, _impatient(sandboxed_catalog(url)), "yaml")

        async def source() -> Revision:
            return revision

        try:
            yield source, url
        finally:
            sandbox.state.closing.set()


def _impatient(catalog: str) -> str:
    """The catalog with vendors that are given up soon: a task whose state was spoiled never ends."""
    document: Any = read(catalog, format="yaml")[0]
    for vendor in document["vendors"].values():
        vendor["timeout_s"] = VENDOR_TIMEOUT_S
    return write(document)


async def run(gateway: Running, *, cases: int, seed: int, at_once: int = 4) -> Figures:
    """Asks so many times for a picture of spoiled vendors. What may not be is in `problems`."""
    figures, numbers = Figures("vendors", seed), iter(range(cases))

    async def one_by_one() -> None:
        async with gateway.client() as client:
            for number in numbers:
                path, body = _request(random.Random(f"{seed}/{number}"))
                case = f"vendors {seed}/{number} {body['model']}"
                try:
                    answer = await client.post(path, json=body)
                except httpx.TransportError as error:
                    figures.problems.append(f"{case}: {error!r}")
                    continue
                figures.judge(case, answer.status_code, answer.content)
                if answer.status_code == 200:
                    units = int(answer.headers["oneshape-units"])
                    if not units or b"/v1/media/" not in answer.content:
                        figures.problems.append(f"{case}: 200 for {units} units: {answer.content[:200]!r}")

    await asyncio.gather(*(one_by_one() for _ in range(at_once)))
    await gateway.services.clock.sleep(0.1)
    found = await gateway.services.database.read(ledger_verify.verify)
    figures.problems += [f"vendors {seed}: ledger: {violation}" for violation in found.violations]
    account = await gateway.services.accounts.get(gateway.account_id)
    if account.held_units:
        figures.problems.append(f"vendors {seed}: {account.held_units} units are still held")
    return figures


def _request(rng: random.Random) -> tuple[str, dict[str, Any]]:
    model = f"nano-banana-pro-1k@{rng.choice(VENDORS[:5])}"
    if rng.random() < 0.5:
        return "/v1/images/generations", {"model": model, "prompt": "a fox", "n": rng.choice((1, 1, 2))}
    return "/v1/chat/completions", {"model": model, "messages": [{"role": "user", "content": "a fox"}]}
