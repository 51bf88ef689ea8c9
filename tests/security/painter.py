"""A vendor of pictures whose every byte is the test's, on real sockets, and a catalog with two of them."""

import asyncio
import base64
import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from PIL import Image

from app.gateway.catalog.live import Revision

PRICE_UNITS: Final = 100_000

CATALOG: Final = """
version: 1
currency: USD
vendors:
  first: {{dialect: openai_images, base_url: "{first}", api_keys: ["{key}"], timeout_s: 20}}
  second: {{dialect: openai_images, base_url: "{second}", api_keys: ["sk-of-the-second"], timeout_s: 20}}
models:
  - id: picture
    kind: image
    aspect_ratios: ["1:1"]
    output_formats: [png]
    mask: true
    price: {{per_image: "{price}"}}
    targets: [{{vendor: first, model: one, priority: 1}}, {{vendor: second, model: two, priority: 2}}]
  - id: of-the-first
    kind: image
    aspect_ratios: ["1:1"]
    output_formats: [png]
    mask: true
    price: {{per_image: "{price}"}}
    targets: [{{vendor: first, model: one}}]
"""
KEY: Final = "vendor-credential-without-a-pattern"
"""A key that no pattern of keys knows: it is found where it is repeated, or it leaks."""


def png(side: int = 8, *, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A whole picture."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def answer(picture: bytes) -> bytes:
    """An HTTP answer with a picture, as OpenAI's page has it."""
    return said(200, {"created": 1, "data": [{"b64_json": base64.b64encode(picture).decode()}]})


def said(status: int, document: object) -> bytes:
    """An HTTP answer with a JSON document."""
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass
class Painter:
    """Answers `reply` once `may` is set, and counts what it was asked. Every call has a connection of its own."""

    url: str = ""
    reply: bytes = field(default_factory=lambda: answer(png()))
    may: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    calls: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = head.partition("content-length: ")[2].partition("\r\n")[0]
            await reader.readexactly(int(length or 0))
            self.calls += 1
            self.asked.set()
            await self.may.wait()
            writer.write(self.reply)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def painting(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[Painter]:
    """A painter that answers at once."""
    painter = Painter()
    painter.may.set()
    listener = await asyncio.start_server(painter.serve, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    painter.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
    try:
        yield painter
    finally:
        painter.may.set()
        listener.close()


@dataclass
class Shelf:
    """A catalog's source that a test changes at will."""

    text: str
    number: int = 1

    async def __call__(self) -> Revision:
        """The newest revision."""
        return Revision(self.number, self.text, "yaml")

    def put(self, text: str) -> None:
        """Another text, in force a second later."""
        self.text = text
        self.number += 1


def catalog(first: str, second: str = "http://127.0.0.1:9/v1", *, price: str = "0.10", key: str = KEY) -> str:
    """The catalog of the two."""
    return CATALOG.format(first=first, second=second, price=price, key=key)
