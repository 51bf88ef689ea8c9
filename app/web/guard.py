"""What every request passes before the application: room for its body, and a place if it asks for work.

A place is for work, so it is taken when the body has arrived: two hundred clients that send theirs byte by byte would
have all of them, without any money, or with no key at all (fault-cases C45).
"""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.core.errors import GatewayError, Overloaded
from app.web.errors import error_response
from app.web.load import Load

CHAT: Final = "/v1/chat/completions"
WORK: Final = frozenset({CHAT, "/v1/images/generations", "/v1/images/edits"})
BODY_METHODS: Final = frozenset({"POST", "PUT", "PATCH"})


class Guard:
    """Middleware that refuses with 503 what would be too much, before anything is read or looked up."""

    def __init__(self, app: ASGIApp, load: Load) -> None:
        self._app = app
        self._load = load

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or answers that there is too much to do."""
        if scope["type"] != "http" or scope["method"] not in BODY_METHODS:
            await self._app(scope, receive, send)
            return
        is_work = _is_work(scope)
        held = _Held(self._load, receive, whose=_whose(scope) if is_work else None, keep=scope["path"] == CHAT)
        try:
            self._load.demand_room(_declared_bytes(scope))
            if is_work:
                self._load.demand_hope()
                await self._work(scope, held, send)
            else:
                await self._app(scope, held.receive, send)
        except GatewayError as error:
            await error_response(error, scope["path"])(scope, receive, send)
        finally:
            held.release()

    async def _work(self, scope: Scope, held: "_Held", send: Send) -> None:
        try:
            await self._app(scope, held.receive, send)
        except asyncio.CancelledError:
            # Only the server does this, at the end of its grace. A vendor may have been paid: no retry is advised.
            leaving = Overloaded("The gateway is being restarted.", should_retry=False)
            with suppress(RuntimeError):  # the answer has begun
                await error_response(leaving, scope["path"])(scope, held.receive, send)
            raise


class _Held:
    """What a request has of the process: its body in memory, and from then on, if it is work, a place.

    Pictures go to disk as they arrive, so most bodies are let go once received; `keep`: this one's text stays until the
    answer. `whose`: who is to have the place; None: no work is asked for.
    """

    def __init__(self, load: Load, receive: Receive, *, whose: bytes | None, keep: bool) -> None:
        self._load = load
        self._receive = receive
        self._whose = whose
        self._keep = keep
        self._bytes = 0
        self._placed = False

    async def receive(self) -> Message:
        """The next message. Raises: Overloaded, when all bodies together have become too much, or there is no place."""
        message = await self._receive()
        if message["type"] == "http.request":
            count = len(message.get("body", b""))
            self._load.hold(count)
            self._bytes += count
            if not message.get("more_body", False):
                await self._arrived()
        return message

    async def _arrived(self) -> None:
        if not self._keep:
            self._free()
        if self._whose is not None and not self._placed:
            await self._load.enter(self._whose)
            self._placed = True

    def release(self) -> None:
        """Lets go of all; safe to repeat."""
        self._free()
        if self._placed:
            self._placed = False
            self._load.leave()

    def _free(self) -> None:
        self._load.free(self._bytes)
        self._bytes = 0


def _is_work(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["method"] == "POST" and (
        path in WORK or (path.startswith(("/v1beta/models/", "/v1/models/")) and ":" in path)
    )


def _declared_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _whose(scope: Scope) -> bytes:
    """Who asks, for fairness alone: nothing has been authenticated."""
    for name, value in scope["headers"]:
        if name in (b"authorization", b"x-goog-api-key"):
            return bytes(value)
    return repr((scope.get("client") or ("",))[0]).encode()
