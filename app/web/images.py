"""`POST /v1/images/generations`: pictures in the shape of OpenAI's Images API."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import GatewayError
from app.core.image import ImageAnswer
from app.gateway.services import Services
from app.surfaces import openai_images
from app.web.answer import answer_headers, document_response
from app.web.auth import caller_of
from app.web.body import read_json, until_ordered
from app.web.origin import base_url_of
from app.web.stream import Frame, event_stream
from app.web.strict import is_strict


def router(services: Services) -> APIRouter:
    """The routes of the images surface."""
    routes = APIRouter(tags=["images"])

    @routes.post("/v1/images/generations")
    async def generate(request: Request) -> Response:
        """Draws pictures of a prompt, and of reference pictures when `image` or `images` is given."""
        caller = await caller_of(request, services)
        base_url, strict = base_url_of(request, services), is_strict(request)
        async with until_ordered(services) as folder:
            body, blobs = await read_json(request, folder, services.limits.image_body, services.limits.file)
            wanted = openai_images.parse(body, blobs)
            order = await services.images.order(caller, wanted, folder, surface="openai_images", strict=strict)
        inline = wanted.stream or wanted.response_format == "b64_json"

        async def answer() -> ImageAnswer:
            return await services.images.answer(order, base_url=base_url, with_bytes=inline)

        async def frames() -> list[Frame]:
            return [Frame(data, name) for name, data in openai_images.render_stream(await answer(), edit=False)]

        if wanted.stream:
            return event_stream(
                frames,
                clock=services.clock,
                on_error=lambda error: [_error_frame(error)],
                headers={"oneshape-task-id": order.work.task_id},
            )
        finished = await answer()
        return document_response(openai_images.render(finished), headers=answer_headers(finished))

    return routes


def _error_frame(error: GatewayError) -> Frame:
    name, data = openai_images.render_stream_error(error)
    return Frame(data, name)
