"""`POST /v1/images/generations` and `/v1/images/edits`: pictures in the shape of OpenAI's Images API."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import GatewayError
from app.core.image import ImageAnswer, ImageRequest, Warning
from app.core.media import BlobText
from app.gateway.caller import Caller
from app.gateway.idempotency import Claim
from app.gateway.images import Order
from app.gateway.services import Services
from app.media.spool import SpoolFolder
from app.surfaces import openai_images
from app.web.answer import answer_headers, document_response
from app.web.auth import caller_of
from app.web.body import is_json, read_form, read_json, until_ordered
from app.web.idempotent import claim_of_form, claim_of_json
from app.web.note import note_of
from app.web.origin import base_url_of
from app.web.prefer import accepted_instead
from app.web.stream import Frame, event_stream
from app.web.strict import is_strict


def router(services: Services) -> APIRouter:
    """The routes of the images surface."""
    routes = APIRouter(tags=["images"])

    @routes.post("/v1/images/generations")
    async def generate(request: Request) -> Response:
        """Draws pictures of a prompt, and of reference pictures when `image` or `images` is given."""
        return await _serve(request, services, edit=False)

    @routes.post("/v1/images/edits")
    async def edit(request: Request) -> Response:
        """Draws pictures of a prompt and reference pictures, sent as a multipart form or as JSON."""
        return await _serve(request, services, edit=True)

    return routes


async def _serve(request: Request, services: Services, *, edit: bool) -> Response:
    caller = await caller_of(request, services)
    base_url, strict = base_url_of(request, services), is_strict(request)
    async with until_ordered(services.spool.admit()) as folder:
        wanted, claim = await _wanted(request, services, caller, folder, edit=edit)
        wanted = _repeatable(request, wanted)
        order = await services.images.order(
            caller, wanted, folder, surface="openai_images", strict=strict, base_url=base_url, claim=claim
        )
    note_of(request.scope).model = order.model
    if wanted.stream:
        return _stream(services, order, base_url, edit=edit)
    if (accepted := await accepted_instead(request, services, caller, order, base_url)) is not None:
        return accepted
    answer = await services.images.answer(order, base_url=base_url, with_bytes=wanted.response_format == "b64_json")
    return document_response(openai_images.render(answer), headers=answer_headers(answer))


async def _wanted(
    request: Request, services: Services, caller: Caller, folder: SpoolFolder, *, edit: bool
) -> tuple[ImageRequest, Claim | None]:
    """What is asked for, and what request it repeats."""
    limits = services.limits
    if edit and not is_json(request):
        form = await read_form(request, folder, limits.multipart_body, limits.file)
        wanted = openai_images.parse_edit_form(form.fields, form.files, form.blobs)
        return wanted, claim_of_form(request, services, caller, form.fields, form.files)
    body, blobs = await read_json(request, folder, limits.image_body, limits.file)
    wanted = openai_images.parse_edit(body, blobs) if edit else openai_images.parse(body, blobs)
    return wanted, claim_of_json(request, services, caller, body, blobs)


def _repeatable(request: Request, wanted: ImageRequest) -> ImageRequest:
    """With an Idempotency-Key an answer is repeated byte for byte, and looks are kept nowhere: so none are shown."""
    if not wanted.partial_images or "idempotency-key" not in request.headers:
        return wanted
    told = "With an Idempotency-Key pictures are shown only when they are done."
    return replace(wanted, partial_images=0, warnings=(*wanted.warnings, Warning("ignored", "partial_images", told)))


def _stream(services: Services, order: Order, base_url: str, *, edit: bool) -> Response:
    async def frames() -> list[Frame]:
        answer: ImageAnswer = await services.images.answer(order, base_url=base_url, with_bytes=True)
        return [Frame(data, name) for name, data in openai_images.render_stream(answer, edit=edit)]

    async def looks(done: "asyncio.Future[Any]") -> AsyncIterator[Frame]:
        """Pictures that are still being drawn, where a vendor shows them."""
        if order.glimpses is not None:
            async for look in order.glimpses.until(done):
                name, data = openai_images.render_partial(
                    BlobText(look.blob),
                    index=look.index,
                    mime=look.mime,
                    width=look.width,
                    height=look.height,
                    created_at=order.created_at,
                    edit=edit,
                )
                yield Frame(data, name)

    return event_stream(
        frames,
        meanwhile=None if order.glimpses is None else looks,
        clock=services.clock,
        on_error=_error_frames,
        headers={"oneshape-task-id": order.task_id},
    )


def _error_frames(error: GatewayError) -> list[Frame]:
    name, data = openai_images.render_stream_error(error)
    return [Frame(data, name)]
