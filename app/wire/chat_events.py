"""A vendor's chat stream on its way to the client: each event goes on as it came but for the model's name; its framing
is mended, its usage read, its errors found. No I/O.

What official SDKs bear and what they do not: wire-facts 2.3.
"""

from typing import Final

import orjson

from app.core.errors import GatewayError
from app.core.exchange import Failure, Json, VendorFailure
from app.wire.openai import error_body
from app.wire.splice import with_model
from app.wire.sse import COMMENT_KEEPALIVE, SseEventTooLarge, SseSplitter, parse_event
from app.wire.vendor_errors import DETAIL_CHARS, error_in, failure_of

MAX_EVENT_BYTES: Final = 2**20
"""The largest event of text (fault-cases section 5)."""
DONE: Final = b"data: [DONE]\n\n"

_BOM: Final = b"\xef\xbb\xbf"
_TOKEN_BYTES: Final = 4


def error_event(error: GatewayError) -> bytes:
    """A failure after the stream has begun, as official SDKs raise it."""
    return b"data: " + orjson.dumps(error_body(error)) + b"\n\n"


class ChatEvents:
    """Takes a vendor's bytes, gives the client's. The vendor's `[DONE]` is swallowed: ours is said when all is booked.

    `usage` is the last usage object, as the vendor wrote it, `vendor_model` the model's name beside it. `failure` is
    set when the stream turns out to be broken; nothing after that is relayed. `finished`: the vendor said why it
    stopped, so the answer is whole.
    """

    def __init__(self, *, public_model: str, hide_usage: bool) -> None:
        self._model = orjson.dumps(public_model)
        self._hide_usage = hide_usage
        self._splitter = SseSplitter(max_event_bytes=MAX_EVENT_BYTES)
        self._started = False
        self._head = self._our_head = b""
        self._first_bytes = 0
        self._relayed_bytes = 0
        self._events = 0
        self.usage: Json = None
        self.vendor_model: Json = None
        self.failure: VendorFailure | None = None
        self.finished = False
        self.done = False

    def feed(self, chunk: bytes) -> bytes:
        """What the client is sent for this chunk; may be nothing."""
        if not self._started:
            chunk, self._started = chunk.removeprefix(_BOM), True
        try:
            blocks = self._splitter.feed(chunk)
        except SseEventTooLarge as error:
            self._break(Failure.UNREADABLE, error.message)
            return b""
        return b"".join([self._like_the_first(block) or self._relayed(block) for block in blocks])

    def close(self) -> bytes:
        """The last event, when it lacked its blank line."""
        return b"".join([self._relayed(block) for block in self._splitter.close()])

    @property
    def answered(self) -> bool:
        """Whether anything of an answer was relayed."""
        return self._events > 0

    @property
    def output_tokens(self) -> int:
        """About how many tokens were relayed: one per event after the first, or more where events are long."""
        if not self._events:
            return 0
        said_bytes = self._relayed_bytes - self._first_bytes * self._events
        return max(self._events - 1 - self.finished, -(-said_bytes // _TOKEN_BYTES), 0)

    def _like_the_first(self, block: bytes) -> bytes:
        """The event as the client gets it, if it begins as the first one did, up to the model's name, and tells nothing
        but a piece of the answer; else nothing. Nearly all events do, and this costs a tenth of reading them.
        """
        head_bytes = len(self._head)
        if not head_bytes or not block.startswith(self._head) or self.done or self.failure is not None:
            return b""
        usage = block.find(b'"usage"', head_bytes)
        if (usage >= 0 and not block.startswith(b":null", usage + 7)) or block.find(b'"error"', head_bytes) >= 0:
            return b""
        if block.find(b"\n", head_bytes) != len(block) - 2:
            return b""
        if not self.finished and block.find(b'"finish_reason":"', head_bytes) >= 0:
            self.finished = True
        self._events += 1
        relayed = self._our_head + block[head_bytes:]
        self._relayed_bytes += len(relayed)
        return relayed

    def _relayed(self, block: bytes) -> bytes:
        """One event as the client gets it."""
        if self.done or self.failure is not None:
            return b""
        plain = block.startswith(b"data: {") and block.find(b"\n") == len(block) - 2
        if not plain:
            mended = self._mended(block)
            if mended is None:
                return COMMENT_KEEPALIVE if block.startswith(b":") else b""
            block = mended
        if (b'"usage"' in block or b'"error"' in block) and not self._passes(block):
            return b""
        if not self.finished and b'"finish_reason"' in block:
            self.finished = b'"finish_reason":"' in block or b'"finish_reason": "' in block
        relayed = with_model(block, self._model)
        if not self._events:
            self._first_bytes = len(relayed)
            self._learn(block, relayed)
        self._events += 1
        self._relayed_bytes += len(relayed)
        return relayed

    def _learn(self, block: bytes, relayed: bytes) -> None:
        """Remembers how the first event begins, up to the model's name, if this stream's events can be told by it."""
        end = relayed.rfind(self._model) + len(self._model)
        tail_bytes = len(relayed) - end
        if self._model in relayed and b'"model"' not in relayed[end:]:
            self._head, self._our_head = block[: len(block) - tail_bytes], relayed[:end]

    def _mended(self, block: bytes) -> bytes | None:
        """The event in the one form that every client reads; None when there is nothing in it to relay."""
        event = parse_event(block)
        data = b"" if event is None else event.data.replace(b"\n", b" ").strip()
        if event is None or not data or event.event == "ping":
            return None
        if data == b"[DONE]":
            self.done = True
            return None
        if not data.startswith(b"{") or event.event == "error":
            self._break(Failure.FAILED if event.event == "error" else Failure.UNREADABLE, data)
            return None
        return b"data: " + data + b"\n\n"

    def _passes(self, block: bytes) -> bool:
        """Reads an event that may tell the usage or an error; whether it is for the client."""
        try:
            document = orjson.loads(block[6:])
        except orjson.JSONDecodeError:
            self._break(Failure.UNREADABLE, block)
            return False
        if document.get("error") and (said := error_in(document)) is not None:
            self.failure = VendorFailure(failure_of(said, 200), said.message[:DETAIL_CHARS])
            return False
        usage = document.get("usage")
        if usage is None:
            return True
        self.usage, self.vendor_model = usage, document.get("model")
        return bool(document.get("choices")) or not self._hide_usage

    def _break(self, failure: Failure, said: bytes | str) -> None:
        text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
        self.failure = VendorFailure(failure, text[:DETAIL_CHARS])
