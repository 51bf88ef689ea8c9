"""Mutated bytes on raw sockets: every connection ends, with answers in our shape or with none, and the server lives."""

import asyncio
import random
import re
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.mutations import mutated_bytes

HANG_S: Final = 30.0
"""Much longer than the deadlines of the server that is fuzzed, which a busy machine may keep late."""
HEAD: Final = b"Host: gateway\r\nAuthorization: Bearer %b\r\nContent-Type: application/json\r\n"
BODY: Final = b'{"model":"nano-banana","prompt":"a fox"}'
CHUNKED: Final = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5) + BODY[5:] + b"\r\n0\r\n\r\n"
SPLICES: Final = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b"Host: other\r\n", b"Content-Length: 5\r\n", b"0\r\n\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n", b"Expect: 100-continue\r\n", b"HTTP/1.1"),
    *(b"Upgrade: h2c\r\nConnection: upgrade\r\n", b"X: " + b"a" * 40_000 + b"\r\n", b"Connection: close\r\n"),
    *(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"ffffffffffffffff\r\n", b"http://evil/", b"Content-Encoding: gzip\r\n"),
)
_ANSWER: Final = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)


def seeds(key: str) -> list[bytes]:
    """Valid requests of every kind."""
    head = HEAD % key.encode()
    length = b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
    chunked = b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKED
    paths = (
        b"/v1/images/generations",
        b"/v1/chat/completions",
        b"/v1/images/tasks",
        b"/v1beta/models/x:generateContent",
    )
    posts = [b"POST " + path + b" HTTP/1.1\r\n" + head + body for path in paths for body in (length, chunked)]
    gets = [b"GET " + path + b" HTTP/1.1\r\n" + head + b"\r\n" for path in (b"/v1/models", b"/healthz", b"/admin/keys")]
    return [*posts, *gets, gets[0] * 3, gets[0] + posts[0], posts[0] + posts[1]]


async def run(url: str, key: str, *, cases: int, seed: int, at_once: int = 128) -> Figures:
    """Sends so many mutations of valid requests, each on a connection of its own."""
    figures, known = Figures("wire", seed), seeds(key)
    numbers = iter(range(cases))

    async def one_by_one() -> None:
        for number in numbers:
            rng = random.Random(f"{seed}/{number}")
            request = mutated_bytes(rng, rng.choice(known), SPLICES)
            await _exchange(url, request, f"wire {seed}/{number} {request[:60]!r}", figures)

    await asyncio.gather(*(one_by_one() for _ in range(at_once)))
    await _exchange(url, b"GET /healthz HTTP/1.0\r\n\r\n", f"wire {seed}: the server afterwards", figures)
    if not figures.statuses[200]:
        figures.problems.append(f"wire {seed}: nothing was served")
    return figures


async def _exchange(url: str, request: bytes, case: str, figures: Figures) -> None:
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    received = b""
    try:
        async with asyncio.timeout(HANG_S):
            with suppress(ConnectionError):
                writer.write(request)
                await writer.drain()
                received = await reader.read(-1)
    except TimeoutError:
        figures.problems.append(f"{case}: still open after {HANG_S} s")
    finally:
        writer.close()
    answers = list(_ANSWER.finditer(received))
    if received and not answers:
        figures.problems.append(f"{case}: no HTTP: {received[:100]!r}")
    if not answers:
        figures.cases += 1
        figures.statuses[0] += 1
        return
    ends = [match.start() for match in answers[1:]] + [len(received)]
    for match, end in zip(answers, ends, strict=True):
        figures.judge(case, int(match[1]), received[match.end() : end])
