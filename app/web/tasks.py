"""`/v1/images/tasks`: create, poll, list and cancel, in one envelope."""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from app.core.task import TaskStatus
from app.core.task_view import TaskView
from app.gateway.services import Services
from app.gateway.tasks import TaskFilter
from app.surfaces import image_tasks
from app.web.accepted import NO_STORE, PATH, POLL_AFTER_S, accepted_response
from app.web.answer import document_response
from app.web.auth import caller_of
from app.web.body import read_json
from app.web.idempotent import claim_of_json
from app.web.note import note_of
from app.web.origin import base_url_of
from app.web.strict import is_strict

Limit = Annotated[int, Query(ge=1, le=100)]
Wait = Annotated[float, Query(ge=0)]


def router(services: Services) -> APIRouter:
    """The routes of the task surface."""
    routes = APIRouter(tags=["tasks"])

    @routes.post(PATH)
    async def create(request: Request) -> Response:
        """Takes an order to be done later. When it is answered, it is committed, on every replica."""
        caller = await caller_of(request, services)
        base_url, strict = base_url_of(request, services), is_strict(request)
        async with services.spool.admit() as folder:
            body, blobs = await read_json(request, folder, services.limits.image_body, services.limits.file)
            wanted = image_tasks.parse(body, blobs)
            claim = claim_of_json(request, services, caller, body, blobs)
            view = await services.tasks.create(caller, wanted, folder, strict=strict, base_url=base_url, claim=claim)
        note_of(request.scope).model = view.model
        return accepted_response(view)

    @routes.get(PATH + "/{task_id}")
    async def get(request: Request, task_id: str, wait: Wait = 0.0) -> Response:
        """A task as it is, or with `wait` as it is when it has ended."""
        caller = await caller_of(request, services)
        base_url = base_url_of(request, services)
        return _one(await services.tasks.get(caller, task_id, base_url=base_url, wait_s=wait))

    @routes.get(PATH)
    async def page(
        request: Request,
        limit: Limit = 20,
        after: str | None = None,
        status: TaskStatus | None = None,
        model: str | None = None,
    ) -> Response:
        """The account's tasks, newest first."""
        caller = await caller_of(request, services)
        base_url = base_url_of(request, services)
        found = await services.tasks.page(
            caller, TaskFilter(status, _canonical(services, model)), base_url=base_url, after=after, limit=limit
        )
        document = image_tasks.render_list(found.items, has_more=found.has_more, next_cursor=found.next_cursor)
        return document_response(document, headers=NO_STORE)

    @routes.post(PATH + "/{task_id}/cancel")
    async def cancel(request: Request, task_id: str) -> Response:
        """Ends a task that no vendor was asked for yet."""
        caller = await caller_of(request, services)
        return _one(await services.tasks.cancel(caller, task_id, base_url=base_url_of(request, services)))

    return routes


def _one(view: TaskView) -> Response:
    headers = {"oneshape-task-id": view.task_id}
    if view.status.terminal:
        headers["oneshape-units"] = str(view.units)
    else:
        headers["retry-after"] = POLL_AFTER_S
    return document_response(image_tasks.render_task(view), headers={**NO_STORE, **headers})


def _canonical(services: Services, name: str | None) -> str | None:
    """The id of a model in any spelling; a name that nothing has is looked for as it is."""
    model = services.catalog().find(name) if name else None
    return model.id if model else name
