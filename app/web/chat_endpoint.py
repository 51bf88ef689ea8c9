"""The hot path of `POST /v1/chat/completions`: a plain ASGI endpoint that answers text models, and hands requests for
image models on.

FastAPI's routing and models cost about as much as the rest of a proxied request (docs/decisions), so they are not here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.core.catalog import Model
from app.core.chat import ChatRequest
from app.core.exchange import Json
from app.gateway.at_work import KeysAtWork
from app.gateway.caller import Caller
from app.gateway.chat_repeats import STREAM_HEADERS, Pieces, Whole
from app.gateway.services import Services
from app.store.idempotency import Reply
from app.surfaces.openai_chat import model_of, parse_text
from app.web.auth import bearer
from app.web.body import (
    CONVERSATION_BLOBS_MAX,
    JsonBody,
    JsonReader,
    demand_json,
    json_object,
    read_strictly,
    too_large,
    until_ordered,
)
from app.web.chat_body import LongBody
from app.web.idempotent import claim_of_text
from app.web.note import note_of
from app.web.rate import count
from app.web.strict import is_strict
from app.wire.strict_json import loads

_STREAM_HEADERS: Final = tuple((name.encode(), value.encode()) for name, value in STREAM_HEADERS.items())


class ChatEndpoint:
    """An ASGI application for one route. `images` answers a request for an image model, and releases its pictures."""

    def __init__(self, services: Services, images: Callable[[Request, JsonBody], Awaitable[Response]]) -> None:
        self._services = services
        self._images = images
        self._at_work = KeysAtWork()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request. Raises: GatewayError, as long as nothing has been sent."""
        credential, plain = _credential(scope)
        caller = await count(scope, self._services, await self._services.callers.authenticate(credential))
        if not plain:
            demand_json(request := Request(scope))
            is_strict(request)
        message = await receive()
        if message["type"] != "http.request" or message.get("more_body", False):
            text, pictured = await self._receive_long(message, scope, receive)
        else:
            body: bytes = message.get("body", b"")
            if len(body) > self._services.limits.chat_body:
                raise too_large(self._services.limits.chat_body)
            text, pictured = self._read(json_object(loads(body)), body), None
            if text is None:
                pictured = await self._lift(body)
        if text is not None:
            await self._answer(scope, caller, *text, send)
        else:
            assert pictured is not None, "a request is for a text model or for an image model"
            response = await self._images(Request(scope, receive), pictured)
            await response(scope, receive, send)

    async def _receive_long(
        self, message: Message, scope: Scope, receive: Receive
    ) -> tuple[tuple[Model, ChatRequest] | None, JsonBody | None]:
        """A body that comes in several pieces: a text model's request, or an image model's with its pictures lifted."""
        limits = self._services.limits
        _refuse_declared_size(scope, limits.chat_body)
        async with until_ordered(self._services.spool.admit()) as folder:
            body = LongBody(folder, body_bytes_max=limits.chat_body, blob_bytes_max=limits.file)
            try:
                async for chunk in _chunks(message, receive, limits.chat_body):
                    body.feed(chunk)
                pictured = await body.pictured()
            finally:
                body.abort()
            if pictured is not None and self._model(pictured.document).kind == "image":
                return None, pictured
            whole = await body.whole()
            text = self._read(await read_strictly(whole), whole)
            if text is None:
                assert body.refusal is not None, "what was lifted says the same as the whole"
                raise body.refusal
            await folder.release()
            return text, None

    async def _lift(self, body: bytes) -> JsonBody:
        """The same of a short body. Raises: InvalidRequest, Overloaded."""
        async with until_ordered(self._services.spool.admit()) as folder:
            limits = self._services.limits
            reader = JsonReader(
                folder,
                body_bytes_max=limits.chat_body,
                blob_bytes_max=limits.file,
                blobs_max=CONVERSATION_BLOBS_MAX,
            )
            try:
                reader.feed(body)
                return await reader.close()
            finally:
                reader.abort()

    def _model(self, document: dict[str, Json]) -> Model:
        return self._services.catalog().resolve(model_of(document)).model

    def _read(self, document: dict[str, Json], body: bytes) -> tuple[Model, ChatRequest] | None:
        """The text request in a body; None: it is for an image model. Raises: InvalidRequest, NotFound."""
        model = self._model(document)
        return (model, parse_text(document, body)) if model.kind == "chat" else None

    async def _answer(self, scope: Scope, caller: Caller, model: Model, request: ChatRequest, send: Send) -> None:
        note = note_of(scope)
        note.model, note.text = model.id, True
        claim = claim_of_text(scope, self._services, caller, request.body)
        with self._at_work.place(caller):
            answer = await self._services.chats.answer(caller, model, request, claim)
            if isinstance(answer, Whole):
                await _send_whole(answer, send)
            elif isinstance(answer, Reply):
                await _send_reply(answer, send)
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


async def _send_reply(reply: Reply, send: Send) -> None:
    """Sends what another request was answered: a stream, too, is there as a whole."""
    assert reply.body is not None, "what was not kept is not sent"
    headers = [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if reply.headers["content-type"] != STREAM_HEADERS["content-type"]:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


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


def _credential(scope: Scope) -> tuple[str | None, bool]:
    """The Bearer token, and whether the other headers are what nearly all requests have, so that nobody need look."""
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
            return token[7:].decode("latin-1").strip(), True
    return bearer(Request(scope)), False


def _refuse_declared_size(scope: Scope, most_bytes: int) -> None:
    declared = dict(scope["headers"]).get(b"content-length", b"")
    if declared.isdigit() and int(declared) > most_bytes:
        raise too_large(most_bytes)


async def _chunks(message: Message, receive: Receive, most_bytes: int) -> AsyncIterator[bytes]:
    """The body's pieces, `message` being the first. Raises: RequestTooLarge, ClientDisconnect, Overloaded."""
    received = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        received += len(chunk)
        if received > most_bytes:
            raise too_large(most_bytes)
        yield chunk
        if not message.get("more_body", False):
            return
        message = await receive()
