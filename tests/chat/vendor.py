"""A vendor of text whose every byte is scripted, on a real socket, and a gateway in front of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from app.gateway.account_forms import AccountForm, GrantForm, KeyForm
from app.gateway.catalog.live import Revision
from app.store import chats, ledger, ledger_verify, tables
from app.store.ledger import Entry
from tests.support.gateway import Running, running_gateway

PUBLIC: Final = "public-model"
VENDORS_OWN: Final = "secret-vendor-model"
CUT: Final = None
"""In a script: the vendor closes the connection here."""

Script = list[bytes | float | None]
"""What a vendor sends, in order: bytes, pauses in seconds, or CUT."""

CATALOG: Final = """
version: 1
currency: USD
vendors:
  first: {{dialect: openai_chat, base_url: "{url}/first", api_keys: ["secret-key-of-first"], timeout_s: {timeout_s}}}
  second: {{dialect: openai_chat, base_url: "{url}/second", api_keys: ["secret-key-of-second"], timeout_s: {timeout_s}}}
  third: {{dialect: openai_chat, base_url: "{url}/third", api_keys: ["secret-key-of-third"]}}
  nowhere: {{dialect: openai_chat, base_url: "http://127.0.0.1:9/v1", api_keys: ["secret-key-of-nowhere"]}}
models:
  - id: public-model
    kind: chat
    max_output_tokens: 1000
    price: {{per_1m_input_tokens: "1.00", per_1m_cached_input_tokens: "0.25", per_1m_output_tokens: "4.00"}}
    targets:
      - {{vendor: first, model: secret-vendor-model, cost: {{per_1m_input_tokens: "0.5", per_1m_output_tokens: "2"}}}}
  - id: two-targets
    kind: chat
    price: {{per_1m_input_tokens: "1.00", per_1m_output_tokens: "4.00"}}
    targets: [{{vendor: first, model: one, priority: 1}}, {{vendor: second, model: two, priority: 2}}]
  - id: unreachable-first
    kind: chat
    price: {{per_request: "0.01"}}
    targets: [{{vendor: nowhere, model: one, priority: 1}}, {{vendor: third, model: two, priority: 2}}]
  - id: per-request
    kind: chat
    price: {{per_request: "0.01"}}
    targets: [{{vendor: first, model: one}}]
"""

SAID: Final[dict[str, Any]] = {"model": PUBLIC, "messages": [{"role": "user", "content": "hello"}]}


@dataclass(frozen=True, slots=True)
class Received:
    """A request as the vendor got it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The body, read."""
        document: dict[str, Any] = json.loads(self.body)
        return document


@dataclass(slots=True)
class Vendor:
    """Answers what `reply` says, and remembers what it was asked. `hangups` counts clients that left early.

    `gate`: answers are held back until it is set.
    """

    url: str = ""
    reply: Callable[[Received], Script] = lambda _: whole(completion())
    received: list[Received] = field(default_factory=list)
    hangups: int = 0
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hangups += 1
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return False
        lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.append(Received(lines[0].split(" ")[1], headers, body))
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        for step in self.reply(self.received[-1]):
            if step is None:
                return False
            if isinstance(step, float):
                await asyncio.sleep(step)  # noqa: TID251 -- a vendor's real slowness
            else:
                writer.write(step)
                await writer.drain()
        return True


@dataclass(frozen=True, slots=True)
class World:
    """A gateway in front of a scripted vendor."""

    gateway: Running
    vendor: Vendor

    async def new_account(self, billing: str = "prepaid", units: int = 10_000_000, **key: Any) -> "Payer":
        """An account with so many units, and a key of it."""
        services = self.gateway.services
        account = await services.accounts.create(AccountForm(name="payer", billing=billing))  # type: ignore[arg-type]  # a test's word
        if billing == "prepaid":
            await services.accounts.grant(account.id, GrantForm(units=units, reason="test"))
        made = await services.accounts.create_key(KeyForm(account_id=account.id, name="test", **key))
        return Payer(self, account.id, made.secret)


@dataclass(frozen=True, slots=True)
class Payer:
    """An account and the secret of its key."""

    world: World
    account_id: str
    secret: str

    def client(self) -> Any:
        """An HTTP client of this payer."""
        return self.world.gateway.client(headers={"authorization": f"Bearer {self.secret}"})

    async def post(self, body: dict[str, Any] | bytes = SAID) -> Any:
        """Posts one chat completion; the response, read to its end."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.client() as client:
            return await client.post(
                "/v1/chat/completions", content=content, headers={"content-type": "application/json"}
            )

    async def entries(self) -> list[tuple[str, int]]:
        """The account's ledger, oldest first, grants left out: kinds and units."""
        return [(entry.kind, entry.units) for entry in await self.ledger() if entry.kind != "grant"]

    async def ledger(self) -> list[Entry]:
        """The account's ledger, oldest first."""
        database = self.world.gateway.services.database
        page = await database.read(lambda tx: ledger.entries(tx, account_id=self.account_id, limit=1000))
        return list(reversed(page.items))

    async def chats(self) -> list[Any]:
        """The account's recorded text requests, oldest first."""
        query = tables.chats.select().where(tables.chats.c.account_id == self.account_id).order_by(tables.chats.c.id)
        rows = await self.world.gateway.services.database.read(lambda tx: tx.execute(query).all())
        return [chats.Chat(**row._mapping) for row in rows]

    async def verify(self) -> None:
        """Asserts that the whole ledger is in order."""
        verification = await self.world.gateway.services.database.read(ledger_verify.verify)
        assert verification.violations == ()


@asynccontextmanager
async def world(directory: Path, *, timeout_s: float = 30, **settings: Any) -> AsyncIterator[World]:
    """A gateway in front of a scripted vendor; `settings` are the gateway's."""
    vendor = Vendor()
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, limit=2**24)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    revision = Revision(1, CATALOG.format(url=vendor.url, timeout_s=timeout_s), "yaml")

    async def source() -> Revision:
        return revision

    try:
        async with running_gateway(directory, source=source, **settings) as gateway:
            yield World(gateway, vendor)
    finally:
        server.close()


def completion(*, usage: Any = (20, 9), **more: Any) -> bytes:
    """A vendor's whole answer, with its own spaces and an unknown field."""
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790000000,
        "model": VENDORS_OWN,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        **more,
    }
    if usage is not None:
        document["usage"] = counted(*usage) if isinstance(usage, tuple) else usage
    return json.dumps(document, indent=1).encode()


def counted(input_tokens: int, output_tokens: int, cached: int = 0) -> dict[str, Any]:
    """Usage as OpenAI writes it."""
    return {
        "prompt_tokens": input_tokens,
        "completion_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def whole(body: bytes, status: int = 200, content_type: str = "application/json", **headers: str) -> Script:
    """A reply of known length."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Whatever\r\ncontent-type: {content_type}\r\n{more}content-length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One event of a stream, as OpenAI writes it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    document = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": VENDORS_OWN, "choices": choices, **more}
    return b"data: " + json.dumps(document, separators=(",", ":")).encode() + b"\n\n"


DONE: Final = b"data: [DONE]\n\n"
WORDS: Final = (
    chunk({"role": "assistant", "content": ""}, usage=None),
    chunk({"content": "one"}, usage=None),
    chunk({"content": " two"}, usage=None),
    chunk({"content": " three"}, usage=None),
    chunk({}, "stop", usage=None),
)
USAGE: Final = chunk(usage=counted(20, 3))


def streamed(*pieces: bytes | float | None, content_type: str = "text/event-stream") -> Script:
    """A chunked reply; what follows a CUT is not sent."""
    script: Script = [f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()]
    for piece in pieces:
        script.append(b"%x\r\n%b\r\n" % (len(piece), piece) if isinstance(piece, bytes) else piece)
    return [*script, b"0\r\n\r\n"]
