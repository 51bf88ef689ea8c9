"""A vendor of text that does what each request tells it to, and writes down every call: the other side's token log.

What it is to do is in the request's `metadata`, which the gateway passes through.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

OWN_MODEL: Final = "vendor-1"
WORD: Final = "w"
_IDS: Final = {"id": "chatcmpl-x", "created": 1790000000, "model": OWN_MODEL}
_REASONS: Final = {200: "OK", 400: "Bad Request", 429: "Too Many Requests", 500: "Error", 503: "Unavailable"}


@dataclass(frozen=True, slots=True)
class Play:
    """What the vendor is to do with one request. `usage`: input, cached and output tokens to report; None: none.

    `act` is `answer`, `cut_first`, `cut`, `cut_after_usage`, `error_event`, `html`, `other` (JSON to who asked for a
    stream, a stream to who did not) or a status to refuse with. `words` are said, or as many before it breaks off.
    """

    number: int
    act: str = "answer"
    words: int = 3
    usage: tuple[int, int, int] | None = None
    tools: bool = False
    pause_ms: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it reached the vendor."""

    play: Play
    door: str
    stream: bool


@dataclass(slots=True)
class TokenVendor:
    """Serves at `url`/DOOR/chat/completions; everything at the door `refusing` is refused."""

    rng: random.Random
    url: str = ""
    calls: list[Call] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = orjson.loads(await reader.readexactly(length))
        play = Play(**orjson.loads(body["metadata"]["play"]))
        call = Call(play, head.split("/")[1], bool(body.get("stream")))
        self.calls.append(call)
        if call.door == "refusing":
            return await _send(writer, _whole(b"{}", self.rng.choice((429, 503))))
        if play.pause_ms:
            await asyncio.sleep(play.pause_ms / 1000)
        return await self._answer(writer, call)

    async def _answer(self, writer: asyncio.StreamWriter, call: Call) -> bool:
        """Whether the connection can go on."""
        play = call.play
        if play.act.isdecimal():
            said = {"error": {"message": "No.", "type": "x", "code": None}}
            return await _send(writer, _whole(orjson.dumps(said), int(play.act)))
        if play.act == "html":
            return await _send(writer, _whole(b"<html>Sign in</html>", 200, "text/html"))
        if play.act == "cut_first":
            return False
        if call.stream != (play.act == "other"):
            return await self._stream(writer, call)
        answer = _whole(orjson.dumps(_completion(play)))
        if play.act == "cut":
            await _send(writer, answer[: len(answer) // 2])
            return False
        return await _send(writer, answer)

    async def _stream(self, writer: asyncio.StreamWriter, call: Call) -> bool:
        play = call.play
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        await _send(writer, head)
        for event in _events(play):
            await _send(writer, b"%x\r\n%b\r\n" % (len(event), event))
            if self.rng.random() < 0.2:
                await asyncio.sleep(self.rng.random() * 0.005)
        if play.act in ("cut", "cut_after_usage"):
            return False
        return await _send(writer, b"0\r\n\r\n")


@asynccontextmanager
async def token_vendor(rng: random.Random) -> AsyncIterator[TokenVendor]:
    """A vendor that listens until the block is left."""
    vendor = TokenVendor(rng)
    server = await asyncio.start_server(vendor.serve, "127.0.0.1", 0, limit=2**22)
    vendor.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield vendor
    server.close()


def message_of(play: Play) -> dict[str, Any]:
    """What is said in a whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": WORD * play.words}
    if play.tools:
        call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        message["tool_calls"] = [call]
    return message


async def _send(writer: asyncio.StreamWriter, data: bytes) -> bool:
    writer.write(data)
    await writer.drain()
    return True


def _events(play: Play) -> list[bytes]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event({**_IDS, "object": "chat.completion.chunk", "choices": [choice]})

    pieces = [chunk({"role": "assistant", "content": ""}), *[chunk({"content": WORD})] * play.words]
    if play.act == "cut":
        return pieces
    if play.act == "error_event":
        return [*pieces, _event({"error": {"message": "broke", "type": "server_error", "code": "x"}})]
    if play.tools:
        call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        pieces.append(chunk({"tool_calls": [call]}))
    pieces.append(chunk({}, "tool_calls" if play.tools else "stop"))
    if play.usage is not None:
        usage = _usage(play.usage)
        pieces.append(_event({**_IDS, "object": "chat.completion.chunk", "choices": [], "usage": usage}))
    return pieces if play.act == "cut_after_usage" else [*pieces, b"data: [DONE]\n\n"]


def _event(document: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(document) + b"\n\n"


def _completion(play: Play) -> dict[str, Any]:
    choice = {"index": 0, "message": message_of(play), "finish_reason": "tool_calls" if play.tools else "stop"}
    usage = {} if play.usage is None else {"usage": _usage(play.usage)}
    return {**_IDS, "object": "chat.completion", "choices": [choice], **usage}


def _usage(usage: tuple[int, int, int]) -> dict[str, Any]:
    input_tokens, cached, output_tokens = usage
    counts = {"prompt_tokens": input_tokens, "completion_tokens": output_tokens}
    return {**counts, "total_tokens": sum(counts.values()), "prompt_tokens_details": {"cached_tokens": cached}}


def _whole(body: bytes, status: int = 200, content_type: str = "application/json") -> bytes:
    head = (
        f"HTTP/1.1 {status} {_REASONS[status]}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
