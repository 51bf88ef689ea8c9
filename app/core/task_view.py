"""A task as its owner may see it: what every answer of the task endpoints is rendered from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.core.image import ResponseFormat, ServedImage, TaskType, Warning
from app.core.task import TaskStatus


@dataclass(frozen=True, slots=True)
class TaskView:
    """One image task. Times are unix seconds, None before they happened; `expires_at` is when its pictures are erased.

    `progress` is in percent. `error` has the four keys of an error object, and is there when the task failed. `results`
    are the pictures that can be served now: none before success, none after they were erased. `images_delivered` stays.
    """

    task_id: str
    status: TaskStatus
    model: str
    task_type: TaskType
    images_requested: int
    created_at: float
    progress: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    expires_at: float | None = None
    results: tuple[ServedImage, ...] = ()
    images_delivered: int = 0
    response_format: ResponseFormat = "url"
    units: int = 0
    error: Mapping[str, str | None] | None = None
    user_metadata: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[Warning, ...] = ()
