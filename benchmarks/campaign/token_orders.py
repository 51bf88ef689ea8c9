"""What clients ask for in the token campaign, how each of them behaves, and the few bytes of HTTP that takes."""

import asyncio
import random
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import orjson

from benchmarks.campaign.token_vendor import Play

Leaves = Literal["stays", "asking", "asked", "reading", "last"]
"""A client that stays to the end, or is gone in the middle of its request, right after it, in the middle of the answer
at some byte, or with the last event.
"""
ANSWER_S: Final = 60.0
DONE: Final = b"data: [DONE]\n\n"
_PICTURE: Final = "data:image/png;base64," + "QUJD" * 300
_TOOLS: Final = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
_STREAM_ACTS: Final = ("answer",) * 12 + ("other", "cut", "cut", "cut_after_usage", "error_event", "cut_first")
_WHOLE_ACTS: Final = ("answer",) * 13 + ("other", "cut", "cut_first")
_FAULTY_ACTS: Final = ("400", "500", "html", "cut", "cut_first", "answer", "answer")
_BUSY_ACTS: Final = ("429", "503", "answer", "answer", "answer", "answer")
_MODELS: Final = ("by-token",) * 8 + ("by-request", "by-both", "by-both", "faulty", "busy", "fallback")


@dataclass(frozen=True, slots=True)
class Payer:
    """An account and the secret of a key of it."""

    account_id: str
    prepaid: bool
    secret: str


@dataclass(frozen=True, slots=True)
class Order:
    """One request: who pays, what is asked, how often under one Idempotency-Key, and when its client leaves.

    `again`: the client is an official SDK, which sends no key, and tries again after it has left.
    """

    play: Play
    payer: Payer
    model: str
    stream: bool
    body: bytes
    pictures: int = 0
    inline_bytes: int = 0
    copies: int = 1
    leaves: Leaves = "stays"
    at: float = 0.0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client that stayed has read."""

    status: int
    headers: dict[str, str]
    body: bytes


def order(number: int, payers: list[Payer], rng: random.Random) -> Order:
    """One request of the mixture."""
    stream, model = rng.random() < 0.5, rng.choice(_MODELS)
    acts = {"faulty": _FAULTY_ACTS, "busy": _BUSY_ACTS}.get(model, _STREAM_ACTS if stream else _WHOLE_ACTS)
    input_tokens = rng.randrange(1, 200)
    # More than was held now and then: that is ours to bear.
    output_tokens = 50_000 if rng.random() < 0.02 else rng.randrange(0, 300)
    usage = (input_tokens, rng.choice((0, rng.randrange(input_tokens + 1))), output_tokens)
    act = rng.choice(acts)
    told = rng.random() < 0.85 or act == "cut_after_usage"
    tools = rng.random() < 0.1 and (told or not stream)  # a long event is estimated by its bytes: tests/chat does
    pictured = rng.random() < 0.08
    leaves: Leaves = rng.choice(("stays",) * 6 + ("asking", "asked", "reading", "reading", "last"))
    copies = rng.choice((2, 3)) if rng.random() < 0.06 else 1
    again = leaves == "asked" and copies == 1 and rng.random() < 0.7
    # An SDK loses its patience before the answer begins: what has begun is told, and not joined.
    pause_ms = 100 if again else rng.choice((0, 0, 0, 5, 20))
    play = Play(number, act, rng.randrange(0, 40), usage if told else None, tools, pause_ms)
    return Order(
        play,
        rng.choice(payers),
        model,
        stream,
        body_of(play, model, stream=stream, pictured=pictured),
        pictures=int(pictured),
        inline_bytes=len(_PICTURE.partition(",")[2]) if pictured else 0,
        copies=copies,
        leaves=leaves,
        at=rng.random(),
        again=again,
    )


def nonsense(number: int, payer: Payer, rng: random.Random) -> Order:
    """A request that must be refused before any vendor is asked."""
    play = Play(number)
    body = body_of(play, "by-token", stream=False, pictured=False)
    wrong = rng.choice((body[:-5], body.replace(b'"by-token"', b'"no-such-model"'), body.replace(b"[", b"5,[", 1)))
    return Order(play, payer, "by-token", False, wrong)


async def send(port: int, order: Order, copy: int = 0) -> Reply | None:
    """Sends it once; None when the client left, or was left without a whole answer."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await _exchange(reader, writer, order, copy)
            finally:
                writer.close()
    return None


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, order: Order, copy: int
) -> Reply | None:
    key = f"idempotency-key: {order.play.number}\r\n" if order.copies > 1 else ""
    if order.again:
        key = f"x-stainless-retry-count: {copy}\r\n"
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.example\r\ncontent-type: application/json\r\n{key}"
        f"authorization: Bearer {order.payer.secret}\r\nconnection: close\r\ncontent-length: {len(order.body)}\r\n\r\n"
    )
    request = head.encode() + order.body
    leaves = order.leaves if copy == 0 else "stays"  # of several copies one stays
    if leaves == "asking":
        request = request[: int(len(request) * order.at)]
    writer.write(request)
    await writer.drain()
    if leaves in ("asking", "asked"):
        return None
    if leaves == "reading":
        await reader.readexactly(1 + int(order.at * 3_000))
        return None
    if leaves == "last":
        await reader.readuntil(DONE if order.stream else b"}")
        return None
    return _read(await reader.read(-1))


def _read(raw: bytes) -> Reply | None:
    head, end, body = raw.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Reply(int(lines[0].split(" ")[1]), headers, body)


def _unchunked(body: bytes) -> bytes:
    pieces = []
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        pieces.append(body[:length])
        body = body[length + 2 :]
    return b"".join(pieces)


def body_of(play: Play, model: str, *, stream: bool, pictured: bool) -> bytes:
    """A request that tells the vendor what to do."""
    content: Any = f"request {play.number}"
    if pictured:
        picture = {"type": "image_url", "image_url": {"url": _PICTURE}}
        content = [{"type": "text", "text": content}, picture]
    said: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": content}],
        "metadata": {"play": orjson.dumps(asdict(play)).decode()},
    }
    if stream:
        said["stream"] = True
    if play.tools:
        said["tools"] = _TOOLS
    return orjson.dumps(said)
