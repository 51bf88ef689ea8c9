"""uvicorn's HTTP protocol with patience that ends: deadlines, sizes and framing, each refused in the surface's shape.

uvicorn 0.54 has no deadline for receiving, no cap on headers and no timeout for slow readers (fault-cases M1-M4). What
a request means is nobody's concern here. Time is the event loop's: these timers are sockets' timers.
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, ClassVar, Final, cast

import httptools
from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from app.core.errors import (
    GatewayError,
    HeadersTooLarge,
    InvalidRequest,
    Overloaded,
    RequestTimeout,
    TargetTooLong,
)
from app.core.ids import new_id
from app.web.departures import DEPARTURES
from app.web.errors import error_response
from app.web.framing import head_problem
from app.web.note import note_of
from app.web.patience import Arriving, ConnectionLimits, GentleTransport
from app.web.refusals import CROWDED_OUT, SILENT, SLOW_READER, Refused, untold

SLICE_BYTES: Final = 32 * 1024
"""What the parser gets at once, or less where heads must be smaller: an unfinished head is noticed after each."""
BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})
PIPELINED_MAX: Final = 16
CHECKS_PER_IDLE: Final = 5


def protocol_with(limits: ConnectionLimits, refused: Refused = untold) -> type["GuardedProtocol"]:
    """The protocol class of one server, for `uvicorn.Config(http=…)`."""
    own = {"limits": limits, "waiting": {}, "slice_bytes": min(SLICE_BYTES, limits.header_bytes)}
    return type("BoundProtocol", (GuardedProtocol,), {**own, "refused": staticmethod(refused)})


class Phase(Enum):
    """What the bytes that come next belong to."""

    HEAD = auto()
    BODY = auto()
    BETWEEN = auto()
    DEAF = auto()
    """Nothing: the connection is on its way out and what still arrives is thrown away."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. `waiting` holds those on which no request is running, the longest silent first."""

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    waiting: ClassVar[dict["GuardedProtocol", None]] = {}
    refused: Refused = staticmethod(untold)
    slice_bytes: ClassVar[int] = SLICE_BYTES

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.url = b""
        self._phase = Phase.HEAD
        self._begun = False
        self._asked = False
        self._head_bytes = 0
        self._body = Arriving(0.0)
        self._deadline: asyncio.TimerHandle | None = None
        self._write_check: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._watchers: dict[Callable[[], None], None] = {}

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """A new connection: its first head must arrive in time. One too many, and the longest silent one goes."""
        super().connection_made(transport)
        self.waiting[self] = None
        self._start_deadline(self.limits.header_s, self._head_is_late)
        if len(self.connections) > self.limits.connections:
            longest = next(iter(self.waiting))
            if longest is not self:
                self.refused(CROWDED_OUT)
                longest.transport.abort()
            else:
                self._refuse(Overloaded("There are too many connections.", retry_after_s=5, should_retry=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """The end, whoever wanted it."""
        self._phase = Phase.DEAF
        self._stop_deadline()
        self._stop_write_check()
        self._unset_keepalive_if_required()
        self.waiting.pop(self, None)
        super().connection_lost(exc)
        for tell in [*self._watchers]:
            tell()

    def departures(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Calls `tell` when the client leaves, or soon when it has; what is returned takes that back."""
        self._watchers[tell] = None
        if self.transport.is_closing():
            self.loop.call_soon(lambda: tell() if tell in self._watchers else None)
        return lambda: self._watchers.pop(tell, None)

    def shutdown(self) -> None:
        """The server is leaving: an unanswered request is answered, an idle connection closed."""
        self._body.keep_alive = False
        super().shutdown()

    # Receiving

    def data_received(self, data: bytes) -> None:
        """Feeds the parser in slices and looks after each at what it made of them."""
        if self._phase is Phase.DEAF:
            return
        self._unset_keepalive_if_required()
        if self._phase is Phase.BETWEEN:
            self._expect_head()
        try:
            if len(data) <= self.slice_bytes or (self._phase is Phase.BODY and self._body.all_body(len(data))):
                self._feed(data)
            else:
                view = memoryview(data)
                for start in range(0, len(view), self.slice_bytes):
                    self._feed(view[start : start + self.slice_bytes])
        except httptools.HttpParserUpgrade:
            self._answer_and_leave()  # the request was whole; what follows would be another protocol's
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._refuse(refused if isinstance(refused, GatewayError) else InvalidRequest("This is not valid HTTP."))
        except GatewayError as error:
            self._refuse(error)
        else:
            self._watch()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        super().on_message_begin()
        if self._phase is not Phase.HEAD:
            self._expect_head()
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """Part of the target. Raises: TargetTooLong."""
        super().on_url(url)
        if len(self.url) > self.limits.target_bytes:
            self.url = self.url[: self.limits.target_bytes]
            raise TargetTooLong(f"The request target is too long; at most {self.limits.target_bytes} bytes.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. Raises: HeadersTooLarge; InvalidRequest for a trailer, which would change what was checked."""
        if self._phase is not Phase.HEAD:
            raise InvalidRequest("Trailers are not accepted.")
        super().on_header(name, value)
        if len(self.headers) > self.limits.header_count:
            raise HeadersTooLarge(f"There are too many headers; at most {self.limits.header_count}.")

    def on_headers_complete(self) -> None:
        """The whole head: refused by its framing, or handed to the application. Raises: GatewayError."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        if (problem := head_problem(method, version, self.url, self.headers)) is not None:
            raise problem
        if self.parser.should_upgrade() and any(name in BODY_HEADERS for name, _ in self.headers):
            # The parser would skip the body: to answer as if there was none would be wrong.
            raise InvalidRequest("Send a body without asking for an Upgrade.")
        if len(self.pipeline) >= PIPELINED_MAX:
            raise InvalidRequest("Too many requests were sent before their turn.")
        cast("Scope", self.scope)[DEPARTURES] = self.departures
        super().on_headers_complete()
        self._asked = True
        self._stop_deadline()
        self._phase = Phase.BODY
        self._body = Arriving(
            self.loop.time(), keep_alive=self.cycle.keep_alive, declared=_declared_bytes(self.headers)
        )
        self.waiting.pop(self, None)

    def on_body(self, body: bytes) -> None:
        """Part of a body."""
        self._body.received += len(body)
        self._body.last_at = self.loop.time()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request has arrived."""
        self._phase = Phase.BETWEEN
        self._stop_deadline()
        if self._body.watched and not self.cycle.response_started:
            self.cycle.keep_alive = self._body.keep_alive
            self.cycle.transport = self.transport
        super().on_message_complete()

    def _feed(self, part: bytes | memoryview) -> None:
        in_body = self._phase is Phase.BODY
        if in_body:
            self._body.raw += len(part)
        else:
            self._head_bytes += len(part)
        self.parser.feed_data(part)
        if self._phase is Phase.HEAD and self._head_bytes >= self.limits.header_bytes:
            raise HeadersTooLarge(f"The headers are too large; at most {self.limits.header_bytes} bytes.")
        if in_body and self._phase is Phase.BODY and self._body.overhead > self.limits.header_bytes:
            raise InvalidRequest("The body's chunks are not valid.")

    def _watch(self) -> None:
        """Sets a deadline for what has begun and is not whole; what came in one piece needs none."""
        if self._deadline is not None:
            return
        if self._phase is Phase.HEAD:
            self._start_deadline(self.limits.header_s, self._head_is_late)
        elif self._phase is Phase.BODY:
            self._body.watched = True
            if not self.cycle.response_complete:
                # An answer to half a request is the last one on its connection (B14).
                self.cycle.keep_alive = False
                self.cycle.transport = GentleTransport(self.transport, self._linger)
            self._start_deadline(self.limits.body_idle_s / CHECKS_PER_IDLE, self._check_body)

    def _expect_head(self) -> None:
        self._phase = Phase.HEAD
        self._begun = False
        self._head_bytes = 0

    # Deadlines

    def _head_is_late(self) -> None:
        self._deadline = None
        if self._begun:
            self._refuse(RequestTimeout("The request's headers did not arrive in time."))
        elif self._answering:
            self._answer_and_leave()
        else:
            self.refused(SILENT)
            self.transport.abort()  # nobody asked anything

    def _check_body(self) -> None:
        self._deadline = None
        body, now = self._body, self.loop.time()
        if self.flow.read_paused:
            body.excuse(now)  # it is we who do not read
        body.checked_at = now
        if body.late(now, self.limits):
            self._refuse(RequestTimeout("The request's body did not arrive in time."))
        else:
            self._start_deadline(self.limits.body_idle_s / CHECKS_PER_IDLE, self._check_body)

    def _start_deadline(self, after_s: float, then: Callable[[], None]) -> None:
        self._deadline = self.loop.call_later(after_s, then)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    # Sending

    def on_response_complete(self) -> None:
        """An answer has been handed to the socket; what a slow reader leaves there does not stay for ever."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._check_writing()
        elif self.cycle.response_complete:
            self.waiting[self] = None

    def timeout_keep_alive_handler(self) -> None:
        """An idle connection ends."""
        super().timeout_keep_alive_handler()
        self._check_writing()

    def pause_writing(self) -> None:
        """The reader does not keep up: it gets a deadline until it does (fault-cases C46)."""
        super().pause_writing()
        self._check_writing()

    def resume_writing(self) -> None:
        """The reader has caught up."""
        self._stop_write_check()
        super().resume_writing()

    def _check_writing(self) -> None:
        """Looks at the unsent bytes now and again while they become fewer, else cuts the connection."""
        self._stop_write_check()
        self._unsent = self.transport.get_write_buffer_size()
        if self._unsent:
            self._write_check = self.loop.call_later(self.limits.write_idle_s, self._writing_is_late)

    def _writing_is_late(self) -> None:
        self._write_check = None
        if self.transport.get_write_buffer_size() >= self._unsent:
            self.refused(SLOW_READER)
            self.transport.abort()
        else:
            self._check_writing()

    def _stop_write_check(self) -> None:
        if self._write_check is not None:
            self._write_check.cancel()
            self._write_check = None

    # Refusing

    @property
    def _answering(self) -> bool:
        return self._asked and not self.cycle.response_complete

    def _refuse(self, error: GatewayError) -> None:
        """Answers what is arriving with an error, if its turn has come, and ends the connection."""
        arriving, self._phase = self._phase, Phase.DEAF
        self._stop_deadline()
        if not self._answering:
            self._send_error(error)
        elif arriving is not Phase.BODY:
            self._answer_and_leave()  # requests before this one are being answered
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started or self.pipeline:
                self.transport.close()
                self._check_writing()
            else:
                self._send_error(error, note_of(cast("Scope", self.cycle.scope)).request_id)

    def _answer_and_leave(self) -> None:
        self._phase = Phase.DEAF
        self._stop_deadline()
        if self._answering:
            self.cycle.keep_alive = False
        else:
            self._linger()

    def _send_error(self, error: GatewayError, request_id: str = "") -> None:
        """`request_id`: what the application calls the request, if it has seen it."""
        request_id = request_id or new_id("req")
        self.refused(str(error.status), code=error.code, request_id=request_id)
        path = self.url.partition(b"?")[0].decode("latin-1")
        # Which methods a path has is not known here; RFC 9110 (15.5.6) wants some of them told with a 405.
        allowed = {"allow": "GET, HEAD, POST, PUT, PATCH"} if error.status == 405 else {}
        response = error_response(error, path, {"connection": "close", "x-request-id": request_id, **allowed})
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = [STATUS_LINE[response.status_code], *(b"%b: %b\r\n" % header for header in headers), b"\r\n"]
        self.transport.write(b"".join([*lines, bytes(response.body)]))
        self._linger()

    def _linger(self) -> None:
        """Closes so that the answer arrives: closing with unread bytes would reset the connection and lose it."""
        self._phase = Phase.DEAF
        self._stop_deadline()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._start_deadline(self.limits.linger_s, self.transport.abort)


def _declared_bytes(headers: list[tuple[bytes, bytes]]) -> int:
    return next((int(value) for name, value in headers if name == b"content-length"), 0)
