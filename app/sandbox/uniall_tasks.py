"""Uniall's image tasks, as its page shows them: create, poll, one result URL in an envelope.

The page shows neither the create answer nor the states before success; the create answer here is the same envelope,
queued.
"""

import asyncio
import uuid
from dataclasses import dataclass, field
from typing import Final, Literal

from starlette.responses import Response

from app.sandbox.answers import answer_instead
from app.sandbox.desk import Visit
from app.sandbox.orders import Order, PictureFormat, Reference
from app.sandbox.pixels import STANDARD_RATIOS
from app.sandbox.reading import Json, format_of, one_of, text_at, whole_number_at
from app.sandbox.refusals import Refusal, json_response
from app.sandbox.uniall_chat import known_model

_QUEUED_SHARE: Final = 0.3
"""The part of a task's time that it waits before it is in progress."""
_TASKS_MAX: Final = 50_000
_MODERATED: Final = {"code": "content_moderated", "message": "Request rejected on content.", "type": "moderation"}
_FAILED: Final = {"code": "generation_failed", "message": "The model could not finish.", "type": "server_error"}
_WORDS: Final = {
    "task_relay_words": {
        "queued": "SUBMITTED",
        "in_progress": "IN_PROGRESS",
        "succeeded": "SUCCESS",
        "failed": "FAILURE",
    },
    "task_openai_words": {"succeeded": "completed"},
    "task_unknown_status": {"in_progress": "REVIEWING"},
}

State = Literal["queued", "in_progress", "succeeded", "failed"]


@dataclass(slots=True)
class ImageTask:
    """One task. It moves with the clock: what it is now follows from when it was made. `polls` counts its GETs."""

    task_id: str
    created_at: float
    order: Order
    faults: frozenset[str]
    task_type: str
    polls: int = 0
    urls: list[str] | None = None
    drawing: asyncio.Lock = field(default_factory=asyncio.Lock)


class UniallTasks:
    """The two routes, and the tasks they know; the oldest are forgotten."""

    def __init__(self) -> None:
        self._tasks: dict[str, ImageTask] = {}

    async def create(self, visit: Visit) -> Response:
        """`POST /v1/images/tasks`."""
        body = visit.json_body()
        order = _read(visit, body)
        task_type = one_of(text_at(body, "task_type"), ("text2image", "image2image"), param="task_type")
        if (instead := await visit.admit(model=order.model, prompt=order.prompt, order=order)) is not None:
            return instead
        task = ImageTask(
            task_id=f"task_{uuid.uuid4().hex}",
            created_at=visit.sandbox.config.clock.now(),
            order=order,
            faults=visit.faults,
            task_type=task_type or ("image2image" if order.references else "text2image"),
        )
        self._tasks[task.task_id] = task
        if len(self._tasks) > _TASKS_MAX:
            del self._tasks[next(iter(self._tasks))]
        if "task_flat_create" in visit.faults:
            return json_response({"id": task.task_id, "task_id": task.task_id, "status": "queued"}, 202)
        answer = await self._envelope(visit, task)
        if "task_without_id" in visit.faults:
            answer["data"] = None
        return visit.delivery.whole(answer)

    async def poll(self, visit: Visit) -> Response:
        """`GET /v1/images/tasks/{task_id}`."""
        task = self._tasks.get(visit.request.path_params["task_id"])
        if task is None:
            raise Refusal(404, "Task does not exist.", code="task_not_exist")
        task.polls += 1
        trouble = _poll_trouble(task)
        if trouble == "slow":
            visit.faults = frozenset({"slow"})
            silence = await visit.delivery.silence(visit.request)
            assert silence is not None
            return silence
        if trouble is not None:
            return trouble if isinstance(trouble, Response) else answer_instead(trouble, visit.style)
        return json_response(await self._envelope(visit, task))

    async def _envelope(self, visit: Visit, task: ImageTask) -> Json:
        state = _state(task, now=visit.sandbox.config.clock.now(), whole_s=visit.sandbox.config.task_seconds)
        if state == "succeeded" and task.urls is None:
            async with task.drawing:
                if task.urls is None:
                    visit.faults = task.faults
                    task.urls = [one.uri for one in await visit.pictures(task.order, usually="url")]
        return {"code": "success", "message": "", "data": _data(task, state)}


def _read(visit: Visit, body: Json) -> Order:
    name = text_at(body, "model", required=True)
    model = known_model(name)
    ratio = one_of(text_at(body, "aspect_ratio"), STANDARD_RATIOS, param="aspect_ratio")
    if body.get("size") is not None and ratio is None:
        raise Refusal(400, "size does not control this model; use aspect_ratio.", param="size")
    # Pro and the second generation take no webp on this page, although the chat page says they do.
    formats: tuple[PictureFormat, ...] = ("png", "jpeg", "webp") if model.first_generation else ("png", "jpeg")
    width, height = model.pixels(ratio)
    return Order(
        vendor="uniall-tasks",
        model=name,
        prompt=text_at(body, "prompt", required=True),
        width=width,
        height=height,
        ratio=ratio,
        format=format_of(text_at(body, "output_format"), formats, default="png", param="output_format"),
        n=whole_number_at(body, "n", default=1, allowed=range(1, 11)),
        references=_references(visit, body),
    )


def _references(visit: Visit, body: Json) -> tuple[Reference, ...]:
    image, images = body.get("image"), body.get("images")
    if image is not None and images is not None:
        raise Refusal(400, "image and images cannot be mixed.", code="conflicting_parameters", param="image")
    match image:
        case None:
            pass
        case str(url) | {"url": str(url)}:
            return (visit.references.from_url(url, param="image"),)
        case _:
            raise Refusal(400, "image must be a URL or an object with a url.", param="image")
    listed = images if images is not None else []
    if not isinstance(listed, list) or not all(isinstance(url, str) for url in listed):
        raise Refusal(400, "images must be an array of URLs.", param="images")
    return tuple(visit.references.from_url(url, param="images") for url in listed)


def _state(task: ImageTask, *, now: float, whole_s: float) -> State:
    age_s = now - task.created_at
    if "task_done_at_once" in task.faults:
        return "succeeded"
    if age_s < whole_s * _QUEUED_SHARE:
        return "queued"
    if age_s < whole_s or "task_never_ends" in task.faults:
        back = "task_status_back" in task.faults and task.polls % 2 == 0
        return "queued" if back else "in_progress"
    failing = {"task_failed", "task_moderated", "refusal", "text_only"} & task.faults
    return "failed" if failing else "succeeded"


def _poll_trouble(task: ImageTask) -> Response | str | None:
    """What a poll meets instead of the task: the name of an answer fault, "slow", an answer, or nothing."""
    early = task.polls <= 2
    if "task_gone" in task.faults or ("task_404_first" in task.faults and early):
        return json_response({"code": "task_not_exist", "message": "Task does not exist.", "data": None}, 404)
    if "task_poll_slow" in task.faults:
        return "slow"
    answers = {"task_poll_500": "server_error", "task_poll_429": "rate_limited", "task_poll_html": "html_502"}
    return next((answer for fault, answer in answers.items() if fault in task.faults and early), None)


def _data(task: ImageTask, state: State) -> Json:
    """The page's `data` object. `result_url` is one string whatever `n` was; `result_count` counts them all."""
    faults, urls = task.faults, (task.urls or []) if state == "succeeded" else []
    words = next((_WORDS[name] for name in sorted(faults & _WORDS.keys())), {})
    error = _MODERATED if {"task_moderated", "refusal"} & faults else _FAILED
    data: Json = {
        "task_id": f"task_{uuid.uuid4().hex}" if "task_id_changes" in faults and task.polls else task.task_id,
        "status": words.get(state, state),
        "progress": _progress(task, state),
        "result_url": urls[0] if urls and "task_without_url" not in faults else None,
        "metadata": {"task_type": task.task_type, "result_count": len(urls)},
        "error": error if state == "failed" else None,
    }
    if "url_in_fail_reason" in faults and urls:
        data |= {"result_url": "", "fail_reason": urls[0]}
    return data


def _progress(task: ImageTask, state: State) -> str | int:
    percent = {"queued": 0, "in_progress": 40, "succeeded": 100, "failed": 100}[state]
    if "task_progress_back" in task.faults and state == "in_progress" and task.polls % 2 == 0:
        percent = 10
    if "task_progress_101" in task.faults and state == "in_progress":
        percent = 101
    return percent if "task_openai_words" in task.faults else f"{percent}%"
