"""The hot path of `POST /v1/chat/completions`: a plain ASGI endpoint that answers text models, and hands requests for
image models on.

FastAPI's routing and models cost about as much as the rest of a proxied request (docs/decisions), so they are not here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.core.catalog import Model
from app.core.chat import ChatRequest
from app.gateway.caller import Caller
from app.gateway.chat import Pieces, Whole
from app.gateway.services import Services
from app.media.spool import SpoolFolder
from app.surfaces.openai_chat import model_of, parse_text
from app.web.auth import bearer
from app.web.body import demand_json, json_object, too_large
from app.web.note import note_of
from app.web.rate import count
from app.web.strict import is_strict
from app.wire.strict_json import loads

IN_MEMORY_BYTES: Final = 2**20
"""A body that is larger waits on disk until it is whole: it may hold pictures."""
REPLAY_BYTES: Final = 64 * 1024

_STREAM_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)

Body = bytes | Path


class ChatEndpoint:
    """An ASGI application for one route. `images` answers a request for an image model, whose body it reads."""

    def __init__(self, services: Services, images: Callable[[Request], Awaitable[Response]]) -> None:
        self._services = services
        self._images = images

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Raises: GatewayError, as long as nothing has been sent."""
        caller = await count(scope, self._services, await self._services.callers.authenticate(_credential(scope)))
        message = await receive()
        if message["type"] != "http.request" or message.get("more_body", False):
            await self._answer_long(caller, message, scope, receive, send)
            return
        body: bytes = message.get("body", b"")
        if len(body) > self._services.limits.chat_body:
            raise too_large(self._services.limits.chat_body)
        text = self._read(body)
        if text is not None:
            await self._answer(scope, caller, *text, send)
        else:
            response = await self._images(Request(scope, _replay(body, receive)))
            await response(scope, receive, send)

    async def _answer_long(self, caller: Caller, message: Message, scope: Scope, receive: Receive, send: Send) -> None:
        """The same for a body that comes in several pieces."""
        limit_bytes = self._services.limits.chat_body
        _refuse_declared_size(scope, limit_bytes)
        async with self._services.spool.folder() as folder:
            body = await _gather(message, receive, folder, limit_bytes)
            text = self._read(await _load(body))
            if text is None:
                response = await self._images(Request(scope, _replay(body, receive)))
                await response(scope, receive, send)
                return
        await self._answer(scope, caller, *text, send)

    def _read(self, body: bytes) -> tuple[Model, ChatRequest] | None:
        """The text request in a body; None: it is for an image model. Raises: InvalidRequest, NotFound."""
        document = json_object(loads(body))
        model = self._services.catalog().resolve(model_of(document)).model
        return (model, parse_text(document, body)) if model.kind == "chat" else None

    async def _answer(self, scope: Scope, caller: Caller, model: Model, request: ChatRequest, send: Send) -> None:
        note = note_of(scope)
        note.model, note.text = model.id, True
        answer = await self._services.chats.answer(caller, model, request)
        if isinstance(answer, Whole):
            await _send_whole(answer, send)
        else:
            await _send_pieces(answer, send)


async def _send_whole(answer: Whole, send: Send) -> None:
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(answer.body)),
        (b"oneshape-units", b"%d" % answer.units),
    )
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_pieces(pieces: Pieces, send: Send) -> None:
    """Sends pieces as they come. To a client that has left, sending does nothing: the vendor's answer is read to its
    end, since it is paid for.
    """
    async with aclosing(pieces):
        piece = await anext(pieces)  # Begun before anything can interrupt us: a generator that never ran ends nothing.
        await send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        while piece:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = await anext(pieces, b"")
        await send({"type": "http.response.body", "body": b""})


def _credential(scope: Scope) -> str | None:
    """The Bearer token. Raises: UnsupportedMediaType, InvalidRequest: with a token, but not plain JSON."""
    token, tokens, plain = b"", 0, False
    for name, value in scope["headers"]:
        if name == b"authorization":
            token, tokens = value, tokens + 1
        elif name == b"content-type":
            plain = value == b"application/json"
        elif name in (b"content-encoding", b"oneshape-strict"):
            break
    else:
        if plain and tokens == 1 and token.startswith(b"Bearer "):
            return token[7:].decode("latin-1").strip()
    request = Request(scope)
    credential = bearer(request)
    if credential is not None:
        demand_json(request)
        is_strict(request)
    return credential


def _refuse_declared_size(scope: Scope, most_bytes: int) -> None:
    declared = dict(scope["headers"]).get(b"content-length", b"")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large(most_bytes)


async def _gather(message: Message, receive: Receive, folder: SpoolFolder, most_bytes: int) -> Body:
    """The whole body, on disk when it is large. Raises: RequestTooLarge, ClientDisconnect, Overloaded."""
    held, sink, received = bytearray(), None, 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        received += len(chunk)
        if received > most_bytes:
            raise too_large(most_bytes)
        if sink is None and received > IN_MEMORY_BYTES:
            sink = folder.open_sink()
            sink.write(bytes(held))
            held.clear()
        if sink is None:
            held += chunk
        else:
            sink.write(chunk)
        if not message.get("more_body", False):
            break
        message = await receive()
    if sink is None:
        return bytes(held)
    path = sink.close().path
    assert path is not None, "a spooled blob is a file"
    return path


async def _load(body: Body) -> bytes:
    return body if isinstance(body, bytes) else await asyncio.to_thread(body.read_bytes)


def _replay(body: Body, receive: Receive) -> Receive:
    """A `receive` that gives the body again, and then what the connection gives."""
    messages = _messages(body)

    async def replayed() -> Message:
        try:
            return await anext(messages)
        except StopAsyncIteration:
            return await receive()

    return replayed


async def _messages(body: Body) -> AsyncIterator[Message]:
    if isinstance(body, bytes):
        yield {"type": "http.request", "body": body, "more_body": False}
        return
    with body.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, REPLAY_BYTES):
            yield {"type": "http.request", "body": chunk, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}
