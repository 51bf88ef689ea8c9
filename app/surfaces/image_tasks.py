"""The image task API: an order in, and one envelope around everything that goes out (wire-facts 6.4)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from app.core.errors import GatewayError, InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageRequest
from app.core.media import Blobs
from app.core.task import TaskStatus
from app.core.task_view import TaskView
from app.wire.image_body import read_image_body
from app.wire.openai import account, error_body, image_item
from app.wire.references import References

WEBHOOK_URL_CHARS_MAX: Final = 2048

_ELSEWHERE = frozenset({"webhook_url"})
_WEBHOOK_URL = re.compile(r"https?://[^\s/?#\\][^\s\\\x00-\x1f]*", re.IGNORECASE)


def parse(body: Mapping[str, Json], blobs: Blobs) -> ImageRequest:
    """An order to be done later. `response_format` is `url` when not said.

    Raises:
        InvalidRequest: a field is wrong, fields contradict each other, or a stream is asked for.
    """
    request = read_image_body(body, References(blobs), elsewhere=_ELSEWHERE)
    if request.stream:
        raise InvalidRequest("A task cannot be streamed: poll it.", code="unsupported_parameter", param="stream")
    return replace(
        request,
        response_format=request.response_format or "url",
        webhook_url=_webhook_url(body.get("webhook_url")),
    )


def render_task(view: TaskView) -> Json:
    """The answer about one task. A failed one is a success to tell: its outcome is in `data` (wire-facts 0.5)."""
    return _envelope(_task(view))


def render_list(views: Iterable[TaskView], *, has_more: bool, next_cursor: str | None) -> Json:
    """The answer about many tasks, newest first."""
    return _envelope({"items": [_task(view) for view in views], "has_more": has_more, "next_cursor": next_cursor})


def render_error(error: GatewayError) -> Json:
    """The body of a failed request: the envelope, with OpenAI's error object beside `data`."""
    return {"code": error.code, "message": error.message, "data": None, **error_body(error)}


def _envelope(data: Json) -> Json:
    return {"code": "success", "message": "", "data": data}


def _task(view: TaskView) -> Json:
    return {
        "task_id": view.task_id,
        "status": view.status.value,
        "progress": f"{100 if view.status is TaskStatus.SUCCEEDED else view.progress}%",
        "result_url": view.results[0].url if view.results else None,
        "results": [image_item(served, view.response_format) for served in view.results],
        "metadata": {"task_type": view.task_type, "result_count": view.images_delivered},
        "model": view.model,
        "created_at": int(view.created_at),
        "started_at": _seconds(view.started_at),
        "finished_at": _seconds(view.finished_at),
        "expires_at": _seconds(view.expires_at),
        "error": None if view.error is None else dict(view.error),
        "user_metadata": dict(view.user_metadata),
        "oneshape": account(
            task_id=view.task_id,
            units=view.units,
            requested=view.images_requested,
            delivered=view.images_delivered,
            warnings=view.warnings,
        ),
    }


def _seconds(at: float | None) -> int | None:
    return None if at is None else int(at)


def _webhook_url(value: Json) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > WEBHOOK_URL_CHARS_MAX or _WEBHOOK_URL.fullmatch(value) is None:
        raise InvalidRequest("'webhook_url' must be an http(s) URL.", param="webhook_url")
    return value
