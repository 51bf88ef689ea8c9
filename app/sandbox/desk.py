"""What every simulated vendor shares: who may ask, what is written down, how answers leave.

A vendor module owns its wire format; it is handed a Visit per request and asks it for the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.sandbox.answers import answer_instead
from app.sandbox.calls import CallLog
from app.sandbox.config import SandboxConfig
from app.sandbox.delivery import Delivery
from app.sandbox.easel import Handed, hand_over, paint
from app.sandbox.faults import HEADER, find_faults, is_paid, staged
from app.sandbox.files import FileStore
from app.sandbox.orders import Order, VendorName
from app.sandbox.reading import Json, refuse_messages
from app.sandbox.references import ReferenceReader
from app.sandbox.refusals import ErrorStyle, Refusal

_KEY_PREFIX = "sandbox-"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The state of one simulated world."""

    config: SandboxConfig
    files: FileStore
    calls: CallLog
    closing: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Visit:
    """One request at one vendor. `faults` is empty until `admit` has read the prompt."""

    sandbox: Sandbox
    request: Request
    vendor: VendorName
    style: ErrorStyle
    key: str
    body: bytes
    faults: frozenset[str] = frozenset()

    def json_body(self) -> dict[str, object]:
        """The body as a JSON object. Raises Refusal (400)."""
        try:
            body = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise Refusal(400, "The body is not valid JSON.", code="invalid_json") from error
        if not isinstance(body, dict):
            raise Refusal(400, "The body must be a JSON object.", code="invalid_json")
        return body

    async def admit(
        self, *, model: str, prompt: str, order: Order | None = None, body: Json | None = None
    ) -> Response | None:
        """Accepts a valid request: finds its faults, writes the call down, lets the latency pass.

        `body`: a chat, whose messages a fault may not bear. Returns the answer to give in the place of the real one,
        when a fault says so. Raises Refusal (400) for an unknown fault, and for such messages.
        """
        self.faults = find_faults(self.vendor, prompt=prompt, header=self.request.headers.get(HEADER), key=self.key)
        if body is not None and staged(self.faults, "request"):
            refuse_messages(body, self.faults)
        await self.sandbox.calls.record(
            self.vendor,
            self.request,
            self.body,
            paid=is_paid(self.faults),
            outcome="+".join(sorted(self.faults)) or "ok",
            model=model,
            order=_summary(order) if order else {},
        )
        if self.sandbox.config.latency_s:
            await self.sandbox.config.clock.sleep(self.sandbox.config.latency_s)
        for name in sorted(staged(self.faults, "answer")):
            return answer_instead(name, self.style)
        return await self.delivery.silence(self.request)

    async def pictures(
        self, order: Order, *, usually: Literal["url", "base64"], token: str | None = None
    ) -> list[Handed]:
        """Draws what was ordered and hands it over; nothing under the fault `empty_data`."""
        if "empty_data" in self.faults:
            return []
        painted = await paint(order, self.faults)
        return hand_over(
            painted, self.sandbox.files, self.faults, usually=usually, files_url=self.files_url, token=token
        )

    def streams(self, asked: bool) -> bool:
        """Whether to answer with events: as asked, unless a fault turns it round."""
        return (asked or "sse_when_json" in self.faults) and "json_when_sse" not in self.faults

    @property
    def delivery(self) -> Delivery:
        """The way out, with this visit's faults."""
        config = self.sandbox.config
        return Delivery(self.faults, config.clock, self.sandbox.closing, config.chunk_s)

    @property
    def references(self) -> ReferenceReader:
        """Reads reference pictures, resolving the sandbox's own addresses."""
        return ReferenceReader(self.sandbox.files, self.request.url.netloc)

    @property
    def files_url(self) -> str:
        """Where results are served, as the caller sees this server."""
        return f"{self.request.url.scheme}://{self.request.url.netloc}/files"

    @property
    def now_s(self) -> int:
        """The time, in whole unix seconds."""
        return int(self.sandbox.config.clock.now())


Handler = Callable[[Visit], Awaitable[Response]]


def counter(
    sandbox: Sandbox, vendor: VendorName, style: ErrorStyle, handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    """A Starlette endpoint: checks the key, runs the handler, renders and records refusals in the vendor's style."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            visit = Visit(sandbox, request, vendor, style, read_key(request), body)
            return await handler(visit)
        except Refusal as refusal:
            if request.method == "POST":
                await sandbox.calls.record(vendor, request, body, paid=False, outcome="refused", status=refusal.status)
            return style(refusal)

    return endpoint


def read_key(request: Request) -> str:
    """The caller's key, from Bearer, `x-goog-api-key` or `?key=`. Raises Refusal (401); keys begin with `sandbox-`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    key = token.strip() if scheme.lower() == "bearer" else ""
    key = key or request.headers.get("x-goog-api-key", "") or request.query_params.get("key", "")
    if not key:
        raise Refusal(401, "No API key was given.", code="missing_api_key")
    if not key.startswith(_KEY_PREFIX):
        raise Refusal(401, "Invalid API key.", code="invalid_api_key")
    return key


def _summary(order: Order) -> dict[str, object]:
    return {
        "prompt": order.prompt,
        "width": order.width,
        "height": order.height,
        "ratio": order.ratio,
        "format": order.format,
        "n": order.n,
        "references": [reference.label for reference in order.references],
    }
