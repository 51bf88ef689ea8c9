"""`POST /v1/chat/completions`: image models answer with pictures; for text models see `chat_endpoint`."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.core.errors import InvalidRequest
from app.core.image import ImageAnswer
from app.gateway.caller import Caller
from app.gateway.images import Order
from app.gateway.services import Services
from app.surfaces import openai_chat
from app.surfaces.openai_chat import ChatImageStyle
from app.web.answer import answer_headers, document_response
from app.web.auth import caller_of
from app.web.body import JsonBody, until_ordered
from app.web.chat_endpoint import ChatEndpoint
from app.web.idempotent import claim_of_json
from app.web.note import note_of
from app.web.origin import base_url_of
from app.web.prefer import accepted_instead
from app.web.stream import Frame, event_stream
from app.web.strict import is_strict

PATH = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"


def router(services: Services) -> APIRouter:
    """The routes of the chat surface."""
    routes = APIRouter(tags=["chat"])
    routes.routes.append(Route(PATH, endpoint(services), methods=["POST"]))
    return routes


def endpoint(services: Services) -> ChatEndpoint:
    """The ASGI application behind the route."""

    async def draw(request: Request, received: JsonBody) -> Response:
        """Answers a conversation with an image model: with pictures of its last user message."""
        async with until_ordered(received.folder) as folder:
            caller = await caller_of(request, services)
            base_url, style, strict = base_url_of(request, services), _style(request, caller), is_strict(request)
            body, blobs = received.document, received.blobs
            wanted = openai_chat.parse_image(body, blobs)
            include_usage = openai_chat.wants_usage(body)
            order = await services.images.order(
                caller,
                wanted,
                folder,
                surface="openai_chat",
                strict=strict,
                base_url=base_url,
                claim=claim_of_json(request, services, caller, body, blobs),
            )

        note_of(request.scope).model = order.model

        async def answer() -> ImageAnswer:
            inline = openai_chat.needs_bytes(style, wanted)
            return await services.images.answer(order, base_url=base_url, with_bytes=inline)

        completion_id = openai_chat.completion_id_of(order.task_id)
        if wanted.stream:
            return _stream(services, order, answer, completion_id, style, include_usage=include_usage)
        if (accepted := await accepted_instead(request, services, caller, order, base_url)) is not None:
            return accepted
        finished = await answer()
        document = openai_chat.render(finished, completion_id=completion_id, style=style)
        return document_response(document, headers=answer_headers(finished))

    return ChatEndpoint(services, draw)


def _stream(
    services: Services,
    order: Order,
    answer: Callable[[], Coroutine[Any, Any, ImageAnswer]],
    completion_id: str,
    style: ChatImageStyle,
    *,
    include_usage: bool,
) -> Response:
    """The role chunk leaves at once, since the request is admitted; the pictures follow when they are there."""

    async def frames() -> list[Frame]:
        chunks = openai_chat.render_stream(
            await answer(), completion_id=completion_id, style=style, include_usage=include_usage
        )
        return [Frame(chunk) for chunk in chunks]

    role = openai_chat.role_chunk(
        completion_id=completion_id,
        model=order.model,
        created_at=order.created_at,
        include_usage=include_usage,
    )
    return event_stream(
        frames,
        clock=services.clock,
        on_error=lambda error: [Frame(openai_chat.render_error(error))],
        first=[Frame(role)],
        last=DONE,
        headers={"oneshape-task-id": order.task_id},
    )


def _style(request: Request, caller: Caller) -> ChatImageStyle:
    """How pictures are written in the answer's text: as the request says, else as the key is set."""
    match request.headers.get("oneshape-image-style"):
        case None:
            return caller.key.chat_image_style
        case "markdown" | "data" | "url" as style:
            return style
        case _:
            raise InvalidRequest(
                "The header 'Oneshape-Image-Style' must be markdown, data or url.", param="Oneshape-Image-Style"
            )
