"""Big pictures, from vendors and from clients: how fast they pass, what memory they take, and who waits meanwhile.

python -m benchmarks.images [--quick]; fails when a picture is not the vendor's, byte by byte, or the ledger is wrong.
"""

import argparse
import base64
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import uvloop

from benchmarks import picture_peers
from benchmarks.picture_gateway import DIALECTS, Gateway, running
from benchmarks.picture_load import Answer, Ask, Connection, Pulse, connected, in_crowd
from benchmarks.picture_vendor import picture, reference

CONNECTIONS: Final = 16
PEERS_PICTURES: Final = 32
BARS: Final = "bars: pictures >= 300 MB/s of vendor JSON, uploads >= 200 MB/s; memory <= +96 MB; /healthz p99 <= 100 ms"
SURFACES: Final = ("generations", "chat", "tasks", "gemini")


@dataclass(frozen=True, slots=True)
class Way:
    """How one picture is asked for and read: `mb` go by each time, `ask` does it and tells the URLs it was given."""

    name: str
    mb: float
    ask: Callable[[Connection], Coroutine[Any, Any, list[str]]]


class Shop:
    """Asks a gateway for pictures on every surface. Raises: ValueError, when what comes is not the vendor's picture."""

    def __init__(self, gateway: Gateway) -> None:
        self._headers = {"authorization": f"Bearer {gateway.key}", "content-type": "application/json"}
        self._text = base64.b64encode(picture())

    async def draw(self, connection: Connection, *, surface: str, model: str, inline: bool) -> list[str]:
        """A picture of a prompt; its URLs, or none when it was in the answer."""
        answer = await self._asked(connection, surface, model, {"response_format": "b64_json" if inline else "url"})
        if inline or surface == "gemini":
            self._demand_picture(answer)
            return []
        return _urls(answer)

    async def look(self, connection: Connection, urls: list[str]) -> list[str]:
        """A stored picture by its link."""
        parts = urlsplit(urls.pop())
        answer = await connection.ask(Ask("GET", f"{parts.path}?{parts.query}"))
        _demand(answer.is_all(picture()), answer)
        return []

    async def edit(self, connection: Connection) -> list[str]:
        """Sends the reference picture as a form."""
        head = b"".join(
            b'--b0\r\ncontent-disposition: form-data; name="%b"\r\n\r\n%b\r\n' % field
            for field in ((b"model", b"openai_images"), (b"prompt", b"a fox"))
        )
        head += b'--b0\r\ncontent-disposition: form-data; name="image"; filename="a.png"\r\n'
        head += b"content-type: image/png\r\n\r\n"
        headers = {**self._headers, "content-type": "multipart/form-data; boundary=b0"}
        body = (head, reference(), b"\r\n--b0--\r\n")
        answer = await connection.ask(Ask("POST", "/v1/images/edits", headers, body))
        return _urls(answer)

    async def draw_after(self, connection: Connection, *, surface: str, model: str) -> list[str]:
        """Sends the reference picture as a data URI."""
        return _urls(await self._asked(connection, surface, model, {"image": _data_uri()}))

    async def _asked(self, connection: Connection, surface: str, model: str, fields: dict[str, Any]) -> Answer:
        path, body = _request(surface, model, fields)
        answer = await connection.ask(Ask("POST", path, self._headers, body))
        if surface != "tasks":
            return answer
        _demand(answer.status == 202, answer)
        task_id = answer.document()["data"]["task_id"]
        return await connection.ask(Ask("GET", f"/v1/images/tasks/{task_id}?wait=60", self._headers))

    def _demand_picture(self, answer: Answer) -> None:
        _demand(answer.carries(self._text), answer)


def _request(surface: str, model: str, fields: dict[str, Any]) -> tuple[str, Sequence[bytes]]:
    """Path and body. A data URI among the fields stays a part of its own, shared by all who send it."""
    image = fields.pop("image", None)
    hole = None if image is None else "@"
    content: Any = "a fox"
    if surface == "gemini":
        parts: list[Any] = [{"text": "a fox"}]
        if hole:
            parts.append({"inlineData": {"mimeType": "image/png", "data": hole}})
        document: Any = {"contents": [{"role": "user", "parts": parts}]}
        path = f"/v1beta/models/{model}:generateContent"
    elif surface == "chat":
        if hole:
            content = [{"type": "text", "text": content}, {"type": "image_url", "image_url": {"url": hole}}]
        document = {"model": model, "messages": [{"role": "user", "content": content}], **fields}
        path = "/v1/chat/completions"
    else:
        document = {"model": model, "prompt": content, **fields, **({"image": hole} if hole else {})}
        path = f"/v1/images/{surface}"
    before, _, after = orjson.dumps(document).partition(b'"@"')
    if image is None:
        return path, (before,)
    prefix = b'"' if surface == "gemini" else b'"data:image/png;base64,'
    return path, (before + prefix, image, b'"' + after)


def _data_uri() -> bytes:
    return _REFERENCE.setdefault("text", base64.b64encode(reference()))


_REFERENCE: Final[dict[str, bytes]] = {}


def _urls(answer: Answer) -> list[str]:
    """The pictures' URLs in an answer of any surface."""
    _demand(answer.status == 200, answer)
    document = answer.document()
    if "choices" in document:
        return list(document["media"]["outputs"])
    found = document["data"]
    if isinstance(found, dict):
        _demand(found["status"] == "succeeded", answer)
        return [one["url"] for one in found["results"]]
    return [one["url"] for one in found]


def _demand(true: bool, answer: Answer) -> None:
    if not true:
        raise ValueError(f"a wrong answer, status {answer.status}: {answer.body[:500]!r}")


async def measure(gateway: Gateway, way: Way, count: int, idle_mb: float, *, look: bool) -> list[float]:
    """Runs one way and prints its row; returns MB/s of what went by. `look`: fetches the pictures behind the links."""
    connections = [await connected(gateway.port) for _ in range(CONNECTIONS)]
    urls: list[str] = []

    async def one(connection: Connection) -> None:
        urls.extend(await way.ask(connection))

    gateway.forget_peak()
    cpu_s = gateway.cpu_s()
    with Pulse(gateway.port) as pulse:
        seconds = await in_crowd(connections, count, one)
    cpu_s = gateway.cpu_s() - cpu_s
    print(
        f"{way.name:38} {count * way.mb / seconds:6,.0f} MB/s {count * way.mb / cpu_s:8,.0f} MB/cpu-s "
        f"{gateway.peak_mb() - idle_mb:+7,.0f} MB {pulse.percentile_ms(0.5):7.1f} {pulse.percentile_ms(0.99):7.1f} ms",
        flush=True,
    )
    if look and urls:
        shop = Shop(gateway)
        looking = Way("  and the links of these, fetched", len(picture()) / 1e6, partial(shop.look, urls=urls))
        await measure(gateway, looking, len(urls), idle_mb, look=False)
    for connection in connections:
        connection.close()
    gateway.forget_pictures()
    return [count * way.mb / seconds]


async def warm(gateway: Gateway) -> None:
    """Draws a few pictures that count for nothing. In a virtual machine the first ones also pay for memory that its
    host has not given it yet: writing a picture to a new file took 22 ms instead of 4 (November 2026).
    """
    connections = [await connected(gateway.port) for _ in range(CONNECTIONS)]
    await in_crowd(connections, 2 * CONNECTIONS, ways(gateway, quick=True)[0].ask)
    for connection in connections:
        connection.close()
    gateway.forget_pictures()


def ways(gateway: Gateway, *, quick: bool) -> list[Way]:
    """Every surface over one dialect, and every dialect under one surface."""
    shop, json_mb = Shop(gateway), len(base64.b64encode(picture())) / 1e6
    pairs = [(surface, "openai_images") for surface in SURFACES]
    pairs += [] if quick else [("generations", dialect) for dialect in DIALECTS[1:]]
    return [
        Way(
            f"{surface} <- {model}, {'base64' if inline else 'url'}",
            json_mb,
            partial(shop.draw, surface=surface, model=model, inline=inline),
        )
        for surface, model in pairs
        for inline in (False, True)
        if inline or surface != "gemini"
    ] + [
        Way(
            "generations <- a vendor's link, url",
            len(picture()) / 1e6,
            partial(shop.draw, surface="generations", model="by_url", inline=False),
        )
    ]


def uploads(gateway: Gateway, *, quick: bool) -> list[Way]:
    """Reference pictures by form and by data URI, to vendors that take forms, JSON or inline data."""
    shop, form_mb, json_mb = Shop(gateway), len(reference()) / 1e6, len(_data_uri()) / 1e6
    pairs = [("chat", "chat_images"), ("generations", "openai_images"), ("tasks", "image_tasks"), ("gemini", "gemini")]
    return [Way("upload: form -> form", form_mb, shop.edit)] + [
        Way(f"upload: {surface} data URI -> {model}", json_mb, partial(shop.draw_after, surface=surface, model=model))
        for surface, model in pairs[: 1 if quick else 3]
    ]


def fsync_mb_s(directory: Path) -> float:
    """How fast the disk takes pictures for good: nothing that keeps them durably can be faster."""
    started = time.perf_counter()
    for _ in range(8):
        with (directory / "probe").open("wb") as file:
            file.write(picture())
            file.flush()
            os.fsync(file.fileno())
    return 8 * len(picture()) / (time.perf_counter() - started) / 1e6


async def run(gateway: Gateway, *, quick: bool, pictures: int, only: str) -> bool:
    """Prints all rows, then what the ledger says; whether everything was right."""
    count = pictures or (32 if quick else 64)
    print(f"{'':38} {'speed':>11} {'per core':>17} {'memory':>10} {'healthz p50':>9} {'p99':>4}")
    await measure(gateway, ways(gateway, quick=True)[0], 1, gateway.rss_mb(), look=False)
    idle_mb = gateway.rss_mb()
    print(f"idle: {idle_mb:,.0f} MB", flush=True)
    await warm(gateway)
    chosen_ways = [way for way in ways(gateway, quick=quick) if only in way.name]
    speeds = [await measure(gateway, way, count, idle_mb, look=True) for way in chosen_ways]
    chosen_uploads = [way for way in uploads(gateway, quick=quick) if only in way.name]
    upload_speeds = [await measure(gateway, way, count, idle_mb, look=False) for way in chosen_uploads]
    for what, found in (("pictures", speeds), ("uploads", upload_speeds)):
        if found:
            print(f"median of {what}: {statistics.median(speed for (speed,) in found):,.0f} MB/s")
    print(BARS)
    sent, intact = count * len(chosen_uploads), gateway.counts()["intact"]
    verified = gateway.get("/admin/ledger/verify")
    if intact != sent or not verified["ok"]:
        print(f"wrong: {intact} of {sent} references arrived whole; the ledger says {verified}")
        return False
    print(f"every picture was the vendor's, every reference arrived whole; {verified['entries']} ledger entries, right")
    return True


def compare(*, quick: bool, directory: Path | None = None, pictures: int = 0, only: str = "") -> bool:
    """Measures on the disk of `directory`; whether every picture and the ledger were right."""
    with tempfile.TemporaryDirectory(dir=directory) as data:
        disk_mb_s = fsync_mb_s(Path(data))
        print(f"big pictures, {CONNECTIONS} at once; this disk keeps {disk_mb_s:,.0f} MB/s of them for good")
        with running(Path(data)) as gateway:
            try:
                right = uvloop.run(run(gateway, quick=quick, pictures=pictures, only=only))
                for starter in picture_peers.starters():
                    text = base64.b64encode(picture())
                    count = pictures or PEERS_PICTURES
                    picture_peers.show(starter, gateway.vendor_port, text, connections=CONNECTIONS, count=count)
                return right
            except (ValueError, ConnectionError) as error:
                print(f"wrong: {error}")
                return False


def main() -> None:
    """Reads the options. Exits with 1 when something was wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true", help="fewer ways, fewer pictures")
    options.add_argument("--pictures", type=int, default=0, help="how many for each row")
    options.add_argument("--only", default="", help="rows whose name contains this")
    options.add_argument("--directory", type=Path, default=None, help="where the gateway keeps its data")
    chosen = options.parse_args()
    right = compare(quick=chosen.quick, directory=chosen.directory, pictures=chosen.pictures, only=chosen.only)
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
