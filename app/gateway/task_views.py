"""Tasks as their owners see them, from rows: the one place where rows become answers, whoever asks and whenever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.core import errors
from app.core.errors import Conflict, GatewayError, Gone, InternalError
from app.core.image import DeliveredImage, ImageAnswer, ImageUsage, ServedImage
from app.core.media import EXTENSIONS, Blob, MediaStore
from app.core.task import TaskStatus
from app.core.task_view import TaskView
from app.gateway.outputs import media_name
from app.gateway.request_record import warnings_of
from app.media.signing import MediaSigner
from app.store import media, tasks
from app.store.database import Tx
from app.store.media import Media
from app.store.tasks import Task

_FOUR_KEYS: Final = ("message", "type", "param", "code")


@dataclass(frozen=True, slots=True)
class TaskRows:
    """A task and its pictures that can still be served, read together."""

    task: Task
    pictures: tuple[Media, ...]


class TaskViews:
    """Makes views and answers. `link_ttl_s`: how long links are good for."""

    def __init__(self, *, media: MediaStore, signer: MediaSigner, link_ttl_s: int) -> None:
        self._media = media
        self._signer = signer
        self._link_ttl_s = link_ttl_s

    def view(self, rows: TaskRows, *, base_url: str, now: float, blobs: Mapping[str, Blob] | None = None) -> TaskView:
        """The task as it is at unix seconds `now`. `blobs`: pictures' bytes by id, where base64 is to be answered."""
        task, record = rows.task, rows.task.request
        inline = blobs is not None and record.get("response_format") == "b64_json"
        served = [self._served(row, base_url, now=now, blobs=blobs or {}) for row in rows.pictures]
        return TaskView(
            task_id=task.id,
            status=task.status,
            model=task.model,
            task_type=record.get("task_type", "text2image"),
            images_requested=task.n,
            created_at=task.created_at,
            progress=task.progress,
            started_at=task.started_at,
            finished_at=task.finished_at,
            expires_at=task.expires_at,
            results=tuple(served),
            images_delivered=task.images_delivered,
            response_format="b64_json" if inline else "url",
            units=task.units,
            error=None if task.error is None else {key: task.error.get(key) for key in _FOUR_KEYS},
            user_metadata=task.user_metadata,
            warnings=warnings_of(task.warnings if task.status.terminal else record.get("warnings", ())),
        )

    def as_created(self, task: Task) -> TaskView:
        """The task as its creation was answered, whatever became of it since."""
        return TaskView(
            task_id=task.id,
            status=TaskStatus.QUEUED,
            model=task.model,
            task_type=task.request.get("task_type", "text2image"),
            images_requested=task.n,
            created_at=task.created_at,
            user_metadata=task.user_metadata,
            warnings=warnings_of(task.request.get("warnings", ())),
        )

    async def answer(self, rows: TaskRows, *, base_url: str, with_bytes: bool) -> ImageAnswer:
        """What a finished task's client is told; the same each time, links included.

        Raises: the task's own error; Gone (media_expired).
        """
        task = rows.task
        if task.status is not TaskStatus.SUCCEEDED:
            raise error_of(task)
        if not rows.pictures:
            raise Gone("The pictures have been erased; results are kept for a limited time.", task_id=task.id)
        assert task.finished_at is not None
        blobs = await self.blobs(rows) if with_bytes else {}
        served = [self._served(row, base_url, now=task.finished_at, blobs=blobs) for row in rows.pictures]
        return ImageAnswer(
            task_id=task.id,
            model=task.model,
            created_at=task.created_at,
            images=tuple(served),
            images_requested=task.n,
            units=task.units,
            response_format=task.request.get("response_format", "url"),
            text=task.text,
            usage=ImageUsage(**task.usage) if task.usage else ImageUsage(),
            warnings=warnings_of(task.warnings),
        )

    async def blobs(self, rows: TaskRows) -> dict[str, Blob]:
        """The pictures' bytes by id. Raises: NotFound (media_not_found)."""
        return {
            row.id: await self._media.blob(media_name(row.id, row.mime), sha256=row.sha256) for row in rows.pictures
        }

    def _served(self, row: Media, base_url: str, *, now: float, blobs: Mapping[str, Blob]) -> ServedImage:
        image = DeliveredImage(
            media_id=row.id,
            mime=row.mime,
            width=row.width,
            height=row.height,
            size_bytes=row.size_bytes,
            sha256=row.sha256,
            revised_prompt=row.revised_prompt,
        )
        url = self._signer.url(base_url, row.id, EXTENSIONS[row.mime], lifetime_s=self._link_ttl_s, issued_at=now)
        return ServedImage(image, url, blobs.get(row.id))


def rows_of(tx: Tx, found: Sequence[Task], *, at: float) -> list[TaskRows]:
    """Tasks with those of their pictures that are not erased or about to be."""
    done = [task.id for task in found if task.status is TaskStatus.SUCCEEDED]
    pictures = media.list_for_tasks(tx, done) if done else {}
    return [
        TaskRows(task, tuple(row for row in pictures.get(task.id, ()) if row.erased_at is None and row.expires_at > at))
        for task in found
    ]


def find_rows(tx: Tx, task_id: str, *, at: float, account_id: str | None = None) -> TaskRows | None:
    """One task, or None when there is none, or it is another account's."""
    task = tasks.get(tx, task_id, account_id=account_id)
    return None if task is None else rows_of(tx, [task], at=at)[0]


def error_record(error: GatewayError) -> dict[str, Any]:
    """An error as it is kept on its task, with all that its answer says."""
    return {**error.body(), "retry_after_s": error.retry_after_s, "should_retry": error.should_retry}


def error_of(task: Task) -> GatewayError:
    """The error that a task ended with, as it was."""
    if task.status is TaskStatus.CANCELLED:
        return Conflict("The task was cancelled.", code="conflict", should_retry=False, task_id=task.id)
    record = task.error or {}
    kind = _KINDS.get(str(record.get("code")), InternalError)
    return kind(
        str(record.get("message")),
        code=record.get("code") if kind is not InternalError else None,
        param=record.get("param"),
        retry_after_s=record.get("retry_after_s"),
        should_retry=record.get("should_retry"),
        task_id=task.id,
    )


def _kinds(of: type[GatewayError]) -> dict[str, type[GatewayError]]:
    """Every code of the drawn tree with a class that it belongs to; what a task can end with belongs to one alone."""
    found: dict[str, type[GatewayError]] = dict.fromkeys(of.codes, of)
    for kind in of.__subclasses__():
        if kind.__module__ == errors.__name__:
            found |= _kinds(kind)
    return found


_KINDS: Final = _kinds(errors.GatewayError)
