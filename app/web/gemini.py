"""Google's paths, on `/v1beta` and `/v1`: `generateContent`, its streams, and the list of models."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.core.errors import GatewayError, NotFound
from app.core.exchange import Json
from app.gateway.images import Order
from app.gateway.services import Services
from app.surfaces import gemini
from app.web.answer import answer_headers, document_response
from app.web.auth import gemini_caller_of
from app.web.body import CONVERSATION_BLOBS_MAX, read_json, until_ordered
from app.web.idempotent import claim_of_json
from app.web.note import note_of
from app.web.origin import base_url_of
from app.web.prefer import accepted_instead
from app.web.stream import Frame, event_stream
from app.web.strict import is_strict
from app.wire.outgoing import encode
from app.wire.sending import pieces


def router(services: Services) -> APIRouter:
    """The routes that draw. A model's name may contain slashes; what follows the last colon is the action."""
    routes = APIRouter(tags=["gemini"])

    async def act(request: Request, call: str) -> Response:
        """`{model}:generateContent` or `{model}:streamGenerateContent`."""
        model, colon, action = call.rpartition(":")
        if not colon or action not in ("generateContent", "streamGenerateContent"):
            raise NotFound(f"There is nothing at {request.url.path!r}.")
        return await _serve(request, services, model, stream=action == "streamGenerateContent")

    for version in ("v1beta", "v1"):
        routes.add_api_route(f"/{version}/models/{{call:path}}", act, methods=["POST"])
    return routes


async def _serve(request: Request, services: Services, model: str, *, stream: bool) -> Response:
    caller = await gemini_caller_of(request, services)
    base_url, strict = base_url_of(request, services), is_strict(request)
    async with until_ordered(services.spool.admit()) as folder:
        limits = services.limits
        body, blobs = await read_json(request, folder, limits.image_body, limits.file, CONVERSATION_BLOBS_MAX)
        wanted = gemini.parse(model, body, blobs, stream=stream)
        claim = claim_of_json(request, services, caller, body, blobs)
        order = await services.images.order(
            caller, wanted, folder, surface="gemini", strict=strict, base_url=base_url, claim=claim
        )
    note_of(request.scope).model = order.model
    if stream and request.query_params.get("alt") == "sse":
        return _events(services, order, base_url)
    if not stream and (accepted := await accepted_instead(request, services, caller, order, base_url)) is not None:
        return accepted
    answer = await services.images.answer(order, base_url=base_url, with_bytes=True)
    if stream:
        return _array(gemini.render_stream(answer), answer_headers(answer))
    return document_response(gemini.render(answer), headers=answer_headers(answer))


def _events(services: Services, order: Order, base_url: str) -> Response:
    """Google's clients bear no comments and no end mark (wire-facts 4.7)."""

    async def frames() -> list[Frame]:
        answer = await services.images.answer(order, base_url=base_url, with_bytes=True)
        return [Frame(document) for document in gemini.render_stream(answer)]

    def on_error(error: GatewayError) -> list[Frame]:
        return [Frame(gemini.render_error(error))]

    headers = {"oneshape-task-id": order.task_id}
    return event_stream(frames, clock=services.clock, on_error=on_error, comments=False, headers=headers)


def _array(documents: list[Json], headers: dict[str, str]) -> Response:
    """What a stream without `alt=sse` is: one JSON array, delivered element by element."""

    async def chunks() -> AsyncIterator[bytes]:
        for index, document in enumerate(documents):
            yield b",\n" if index else b"["
            for piece in pieces(encode(document)):
                yield piece
        yield b"]"

    return StreamingResponse(chunks(), headers=headers, media_type="application/json")
