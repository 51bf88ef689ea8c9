"""What the sandbox's tests share: a clock moved by hand, and ways to look at pictures. No fixtures."""

import io

import httpx
import orjson
from PIL import Image

from app.core.clock import Clock
from app.core.media import decode_base64

KEY = {"authorization": "Bearer sandbox-test"}


class HandClock(Clock):
    """Stands still until it is moved; waiting moves it."""

    def __init__(self) -> None:
        self.time = 1_790_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


def looks(data: bytes) -> tuple[str | None, tuple[int, int]]:
    """The format and pixels of encoded bytes, found by decoding them whole."""
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        return picture.format, picture.size


def looks_base64(text: str) -> tuple[str | None, tuple[int, int]]:
    data = decode_base64(text)
    assert data is not None
    return looks(data)


def events(response: httpx.Response) -> list[dict[str, object]]:
    """The JSON documents of an event stream, without `[DONE]`."""
    assert response.headers["content-type"].startswith("text/event-stream"), response.text
    lines = [line.removeprefix(b"data:").strip() for line in response.content.splitlines() if line[:5] == b"data:"]
    return [orjson.loads(line) for line in lines if line and line != b"[DONE]"]


async def fetched(client: httpx.AsyncClient, url: str) -> tuple[str | None, tuple[int, int]]:
    answer = await client.get(url)
    assert answer.status_code == 200, answer.text
    return looks(answer.content)
