"""A vendor that costs next to nothing: canned chat answers over HTTP/1.1, whole or streamed, in its own process.

python -m benchmarks.canned PORT [CHUNKS]; it counts what it answered, and tells it at GET /counts.
"""

import asyncio
import sys
from typing import Final, cast

import uvloop

INPUT_TOKENS: Final = 20
OUTPUT_TOKENS: Final = 9
_USAGE: Final = (
    b'"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0}}'
)
_HEAD: Final = b'"created":1790000000,"model":"canned-1","system_fingerprint":"fp_44709d6fcb"'
ANSWER: Final = (
    b'{"id":"chatcmpl-canned","object":"chat.completion",'
    + _HEAD
    + b',"choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Hello there! How can I help you today?","refusal":null},"logprobs":null,"finish_reason":"stop"}],'
    + _USAGE
    + b',"service_tier":"default"}'
)


def events(chunks: int) -> bytes:
    """A stream of so many chunks with words in them, its opening and end not counted, and `[DONE]`."""
    head = b'data: {"id":"chatcmpl-canned","object":"chat.completion.chunk",' + _HEAD
    opening = (
        head
        + b',"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}\n\n'
    )
    word = head + b',"choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}],"usage":null}\n\n'
    end = head + b',"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
    usage = head + b',"choices":[],' + _USAGE + b"}\n\n"
    return opening + word * chunks + end + usage + b"data: [DONE]\n\n"


def whole(body: bytes, content_type: bytes = b"application/json") -> bytes:
    """A reply of known length."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b" % (content_type, len(body), body)


class Canned(asyncio.Protocol):
    """Answers each request with the same bytes; streams leave in pieces of `piece_bytes`, as a busy vendor's would."""

    answered = 0
    streamed = 0

    def __init__(self, stream: list[bytes]) -> None:
        self._stream = stream
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._held) < end + 4 + length:
                return
            body, self._held = self._held[end + 4 : end + 4 + length], self._held[end + 4 + length :]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"get /counts"):
            counts = b'{"answered":%d,"streamed":%d}' % (Canned.answered, Canned.streamed)
            self._transport.write(whole(counts))
        elif b'"stream":true' in body:
            Canned.streamed += 1
            for piece in self._stream:
                self._transport.write(piece)
        else:
            Canned.answered += 1
            self._transport.write(_ANSWER)


_ANSWER: Final = whole(ANSWER)


def framed(chunks: int, per_write: int) -> list[bytes]:
    """A chunked reply: the head, then one HTTP chunk per `per_write` events."""
    listed = [event + b"\n\n" for event in events(chunks).split(b"\n\n")[:-1]]
    pieces = [b"".join(listed[at : at + per_write]) for at in range(0, len(listed), per_write)]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


async def _serve(port: int, chunks: int) -> None:
    loop = asyncio.get_running_loop()
    stream = framed(chunks, 1)
    server = await loop.create_server(lambda: Canned(stream), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100))
