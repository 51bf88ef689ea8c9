"""The answer to work that will be done later: 202, the task's envelope, where to look and when."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from app.core.task_view import TaskView
from app.surfaces import image_tasks
from app.web.answer import document_response

PATH: Final = "/v1/images/tasks"
POLL_AFTER_S: Final = "2"
NO_STORE: Final[Mapping[str, str]] = MappingProxyType({"cache-control": "no-store"})


def accepted_response(view: TaskView, headers: Mapping[str, str] = MappingProxyType({})) -> Response:
    """202 with the task as it is in `view`."""
    told = {"location": f"{PATH}/{view.task_id}", "retry-after": POLL_AFTER_S, "oneshape-task-id": view.task_id}
    return document_response(image_tasks.render_task(view), status=202, headers={**NO_STORE, **told, **headers})
