"""A vendor of big pictures that costs next to nothing: one PNG of 12 MB as base64, in every dialect's shape.

python -m benchmarks.picture_vendor PORT; a call with the big reference picture in it gets a small picture back, and GET
/counts tells how many such references arrived unharmed.
"""

import asyncio
import base64
import io
import random
import sys
from functools import cache
from typing import Final, cast

import uvloop
from PIL import Image

SIDE: Final = 2000
"""2000 × 2000 RGB pixels of noise, not compressed: 12 MB, and 16 MB of base64."""
REFERENCE_SIDES: Final = (1600, 2083)
"""The same for a reference picture of 10 MB."""
READ_BYTES: Final = 1 << 20


@cache
def picture() -> bytes:
    """The picture that is answered; the same in every process."""
    return _noise(SIDE, SIDE, seed=1)


@cache
def reference() -> bytes:
    """The picture that clients send."""
    return _noise(*REFERENCE_SIDES, seed=2)


def _noise(width: int, height: int, *, seed: int) -> bytes:
    pixels = random.Random(seed).randbytes(width * height * 3)
    encoded = io.BytesIO()
    Image.frombytes("RGB", (width, height), pixels).save(encoded, "PNG", compress_level=0)
    return encoded.getvalue()


def shaped(path: str, port: int, text: bytes) -> bytes:
    """A document with a picture, as the dialect writes it that is called at this path."""
    if path.startswith("/chat"):
        return (
            b'{"id":"chatcmpl-1","object":"chat.completion","created":1790000000,"model":"big","choices":[{"index":0,'
            b'"message":{"role":"assistant","content":"![image](data:image/png;base64,'
            + text
            + b')"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":9,"total_tokens":18}}'
        )
    if path.startswith("/gemini"):
        return (
            b'{"candidates":[{"content":{"role":"model","parts":[{"inlineData":{"mimeType":"image/png","data":"'
            + text
            + b'"}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":18}}'
        )
    if path.startswith("/tasks"):
        return (
            b'{"code":"success","message":"","data":{"task_id":"t1","status":"succeeded","progress":"100%","results":['
            b'{"b64_json":"' + text + b'"}]}}'
        )
    if path.startswith("/url"):
        return b'{"created":1790000000,"data":[{"url":"http://127.0.0.1:%d/picture.png"}]}' % port
    return b'{"created":1790000000,"data":[{"b64_json":"' + text + b'"}]}'


class Vendor(asyncio.BufferedProtocol):
    """One connection. The memory that a body arrives in is kept for the next one, which need not be made anew then."""

    intact = 0

    def __init__(self, port: int) -> None:
        self._port = port
        self._held = bytearray(READ_BYTES)
        self._room = memoryview(self._held)
        self._filled = 0
        self._end = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def get_buffer(self, sizehint: int) -> memoryview:
        """Called by the loop."""
        return self._room[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Called by the loop."""
        self._filled += nbytes
        if not self._end:
            head = self._held.find(b"\r\n\r\n", 0, self._filled)
            if head < 0:
                return
            at = bytes(self._room[:head]).lower().find(b"content-length:")
            length = int(bytes(self._room[at + 15 : head]).split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._end = head + 4 + length
            if self._end >= len(self._held):
                self._held = self._held[: self._filled] + bytearray(self._end + 1 - self._filled)
                self._room = memoryview(self._held)
        if self._filled >= self._end:
            length, self._filled, self._end = self._end, 0, 0
            self._answer(length)

    def _answer(self, length: int) -> None:
        method, path, _ = bytes(self._room[:200]).decode("latin-1").split(" ", 2)
        path = path.replace("/v1/", "/")
        if path == "/counts":
            self._send(b'{"intact":%d}' % Vendor.intact)
        elif path == "/picture.png":
            self._send(picture(), b"image/png")
        elif path.startswith("/tasks") and method == "POST":
            Vendor.intact += self._carries_reference(length)
            size = b"small" if length > len(reference()) else b"big"
            self._send(b'{"code":"success","message":"","data":{"task_id":"%b","status":"queued"}}' % size)
        elif length > len(reference()) or path.endswith("/small"):
            Vendor.intact += self._carries_reference(length)
            self._send(_answers(path, self._port, big=False))
        else:
            self._send(_answers(path, self._port, big=True))

    def _carries_reference(self, length: int) -> bool:
        """Whether the reference picture is in the request, as it is or as base64."""
        for whole in (reference(), _reference_text()):
            at = self._held.find(whole[:64], 0, length)
            if at >= 0:
                return at + len(whole) <= length and self._held.startswith(whole, at)
        return False

    def _send(self, body: bytes, kind: bytes = b"application/json") -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (kind, len(body)))
        self._transport.write(body)


@cache
def _answers(path: str, port: int, *, big: bool) -> bytes:
    return shaped(path, port, base64.b64encode(picture() if big else _noise(8, 8, seed=3)))


@cache
def _reference_text() -> bytes:
    return base64.b64encode(reference())


async def _serve(port: int) -> None:
    picture(), reference(), _reference_text()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Vendor(port), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
