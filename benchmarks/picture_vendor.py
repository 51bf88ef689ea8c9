"""A vendor of big pictures that costs next to nothing: one PNG of 12 MB as base64, in every dialect's shape.

python -m benchmarks.picture_vendor PORT; a call with the big reference picture in it gets a small picture back, and GET
/counts tells how many such references arrived unharmed.
"""

import base64
import io
import random
import sys
from functools import cache, partial
from typing import Final

import uvloop
from PIL import Image

from benchmarks.picture_server import Served, serve

SIDE: Final = 2000
"""2000 × 2000 RGB pixels of noise, not compressed: 12 MB, and 16 MB of base64."""
REFERENCE_SIDES: Final = (1600, 2083)
"""The same for a reference picture of 10 MB."""


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
    if path.startswith("/events"):
        return (
            b'data: {"id":"c","object":"chat.completion.chunk","created":1790000000,"model":"big","choices":['
            b'{"index":0,"delta":{"role":"assistant","content":"![image](data:image/png;base64,'
            + text
            + b')"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
        )
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


class Vendor(Served):
    """One connection. Counts the references that came unharmed."""

    intact = 0

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def answer(self, method: str, path: str, body_at: int, end: int) -> None:
        """As `Served`."""
        path = path.replace("/v1/", "/")
        if path == "/counts":
            self.send([b'{"intact":%d}' % Vendor.intact])
        elif path == "/picture.png":
            self.send([picture()], headers=b"content-type: image/png\r\n")
        elif path.startswith("/tasks") and method == "POST":
            Vendor.intact += self._carries_reference(end)
            size = b"small" if end > len(reference()) else b"big"
            self._say(b'{"code":"success","message":"","data":{"task_id":"%b","status":"queued"}}' % size)
        elif end > len(reference()) or path.endswith("/small"):
            Vendor.intact += self._carries_reference(end)
            self._say(_answers(path, self._port, big=False))
        else:
            self._say(_answers(path, self._port, big=True))

    def _carries_reference(self, end: int) -> bool:
        """Whether the reference picture is in the request, as it is or as base64."""
        for whole in (reference(), _reference_text()):
            at = self.held.find(whole[:64], 0, end)
            if at >= 0:
                return at + len(whole) <= end and self.held.startswith(whole, at)
        return False

    def _say(self, body: bytes) -> None:
        kind = b"text/event-stream" if body.startswith(b"data:") else b"application/json"
        self.send([body], headers=b"content-type: %b\r\n" % kind)


@cache
def _answers(path: str, port: int, *, big: bool) -> bytes:
    return shaped(path, port, base64.b64encode(picture() if big else _noise(8, 8, seed=3)))


@cache
def _reference_text() -> bytes:
    return base64.b64encode(reference())


if __name__ == "__main__":
    picture(), reference(), _reference_text()
    uvloop.run(serve(partial(Vendor, int(sys.argv[1])), int(sys.argv[1])))
