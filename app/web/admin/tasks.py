"""`/admin/tasks`: every task of every account, with attempts, timeline and charge."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter
from fastapi import Query as InQuery
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.errors import NotFound
from app.core.task import TaskStatus
from app.gateway.account_forms import Form, Reason
from app.gateway.services import Services
from app.gateway.unknown import Outcome, resolve_unknown
from app.store import tasks
from app.store.database import Tx
from app.store.media import Media
from app.store.sql import Page
from app.store.tasks import Task
from app.web.admin.forms import ACTOR, EntityId, IdQuery, Listing, NameQuery, admin_router, read_form, takes
from app.web.admin.rendering import render_page
from app.web.admin.task_view import TaskFile, first_pictures, render_line, render_task_file, task_file
from app.web.origin import base_url_of

LINK_S: Final = 3600
"""How long an operator's link to a picture is good, in seconds; asking for the task again makes a new one."""


class TaskListing(Listing):
    """Which tasks; `vendor`: those that were tried there."""

    account: IdQuery = None
    key: IdQuery = None
    status: TaskStatus | None = None
    model: NameQuery = None
    vendor: NameQuery = None


class Resolution(Form):
    """Whether the vendor did bill (`capture`) or did not (`release`), and how that is known."""

    outcome: Outcome
    reason: Reason


def router(services: Services) -> APIRouter:
    """The routes of tasks."""
    routes = admin_router(services)

    @routes.get("/tasks")
    async def index(request: Request, query: Annotated[TaskListing, InQuery()]) -> Response:
        """Tasks, newest first, each with its first picture."""

        def listed(tx: Tx) -> tuple[Page[Task], dict[str, Media]]:
            page = tasks.list_page(
                tx,
                account_id=query.account,
                key_id=query.key,
                status=query.status,
                model=query.model,
                vendor=query.vendor,
                after=query.after,
                limit=query.limit,
            )
            return page, first_pictures(tx, page)

        page, firsts = await services.database.read(listed)
        link = link_for(request)
        return JSONResponse(render_page(page, lambda task: render_line(task, firsts.get(task.id), link)))

    @routes.get("/tasks/{task_id}")
    async def show(request: Request, task_id: EntityId) -> Response:
        """One task with all that is recorded about it."""
        return answer(request, await services.database.read(lambda tx: task_file(tx, task_id)))

    @routes.post("/tasks/{task_id}/cancel")
    async def cancel(request: Request, task_id: EntityId) -> Response:
        """Ends a task that no vendor was asked for yet; one that has ended, or is paid, is answered as it is."""
        await services.tasks.cancel_any(task_id, actor=ACTOR)
        return answer(request, await services.database.read(lambda tx: task_file(tx, task_id)))

    @routes.post("/tasks/{task_id}/resolve", openapi_extra=takes(Resolution))
    async def resolve(request: Request, task_id: EntityId) -> Response:
        """Ends the attempts of a task whose outcome is unknown. It never touches the client's balance."""
        form, at = await read_form(request, services, Resolution), services.clock.now()

        def unit(tx: Tx) -> TaskFile | None:
            resolve_unknown(tx, task_id, outcome=form.outcome, reason=form.reason, actor=ACTOR, at=at)
            return task_file(tx, task_id)

        return answer(request, await services.database.write(unit))

    def answer(request: Request, file: TaskFile | None) -> Response:
        if file is None:
            raise NotFound("There is no task with this id.", code="task_not_found")
        return JSONResponse(render_task_file(file, link_for(request)))

    def link_for(request: Request) -> Callable[[Media], str]:
        base_url = base_url_of(request, services)
        return lambda picture: services.signer.url(base_url, picture.id, picture.extension, lifetime_s=LINK_S)

    return routes
