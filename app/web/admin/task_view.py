"""Tasks as operators read them: what was asked, each attempt, what happened when, and the money."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.store import attempts, ledger, media, tasks
from app.store.attempts import Attempt
from app.store.database import Tx
from app.store.ledger import Entry
from app.store.media import Media
from app.store.sql import Page
from app.store.tasks import Task
from app.web.admin.rendering import Document, render_entry, seconds

_OURS: Final = frozenset({"base_url", "trace"})
"""What is kept beside a request for ourselves: where links are to lead, and the trace it belongs to."""


@dataclass(frozen=True, slots=True)
class TaskFile:
    """Everything that is recorded about one task."""

    task: Task
    attempts: tuple[Attempt, ...]
    entries: tuple[Entry, ...]
    media: tuple[Media, ...]


def task_file(tx: Tx, task_id: str) -> TaskFile | None:
    """The records of a task, or None."""
    task = tasks.get(tx, task_id)
    if task is None:
        return None
    entries = ledger.entries(tx, charge_id=task_id).items
    return TaskFile(task, attempts.list_for_task(tx, task_id), entries[::-1], media.list_for_task(tx, task_id))


def first_pictures(tx: Tx, page: Page[Task]) -> dict[str, Media]:
    """The first picture of each task of a list that has one, erased ones included."""
    found = media.list_for_tasks(tx, [task.id for task in page.items if task.images_delivered])
    return {task_id: pictures[0] for task_id, pictures in found.items()}


def render_line(task: Task, first: Media | None, link: Callable[[Media], str]) -> Document:
    """A task as one line of a list, with its first picture."""
    return {**_task(task), "picture": None if first is None else _picture(first, link)}


def _task(task: Task) -> Document:
    return {
        "id": task.id,
        "account_id": task.account_id,
        "key_id": task.key_id,
        "model": task.model,
        "surface": task.surface,
        "mode": task.mode,
        "status": task.status.value,
        "progress": task.progress,
        "images_requested": task.n,
        "images_delivered": task.images_delivered,
        "units": task.units,
        "error": None if task.error is None else dict(task.error),
        "cancel_requested": task.cancel_requested,
        "created_at": seconds(task.created_at),
        "started_at": seconds(task.started_at),
        "finished_at": seconds(task.finished_at),
        "deadline_at": seconds(task.deadline_at),
        "expires_at": seconds(task.expires_at),
    }


def render_task_file(file: TaskFile, link: Callable[[Media], str]) -> Document:
    """A task with all that is recorded about it. `link` makes the address under which a picture is served."""
    task = file.task
    return {
        **_task(task),
        "catalog_revision": task.catalog_revision,
        "request": _request(task.request),
        "text": task.text,
        "usage": None if task.usage is None else dict(task.usage),
        "warnings": [dict(warning) for warning in task.warnings],
        "user_metadata": dict(task.user_metadata),
        "webhook_url": task.webhook_url,
        "owner": task.owner,
        "lease_until": seconds(task.lease_until),
        "attempts": [_attempt(tried) for tried in file.attempts],
        "results": [_picture(picture, link) for picture in file.media],
        "charge": _charge(file),
        "timeline": _timeline(file),
    }


def _request(record: Mapping[str, object]) -> Document:
    return {name: value for name, value in record.items() if name not in _OURS}


def _attempt(tried: Attempt) -> Document:
    return {
        "id": tried.id,
        "slot": tried.slot,
        "ordinal": tried.ordinal,
        "vendor": tried.vendor,
        "vendor_model": tried.vendor_model,
        "state": tried.state.value,
        "handle": tried.handle,
        "images_asked": tried.images_asked,
        "images_delivered": tried.images_delivered,
        "http_status": tried.http_status,
        "failure": tried.failure,
        "detail": tried.detail,
        "cost_units": tried.cost_units,
        "exposure_units": tried.exposure_units,
        "created_at": seconds(tried.created_at),
        "sent_at": seconds(tried.sent_at),
        "finished_at": seconds(tried.finished_at),
    }


def _picture(picture: Media, link: Callable[[Media], str]) -> Document:
    return {
        "media_id": picture.id,
        "url": link(picture) if picture.erased_at is None else None,
        "mime_type": picture.mime,
        "width": picture.width,
        "height": picture.height,
        "size_bytes": picture.size_bytes,
        "sha256": picture.sha256,
        "expires_at": seconds(picture.expires_at),
        "erased_at": seconds(picture.erased_at),
    }


def _charge(file: TaskFile) -> Document:
    """What the client paid and what it cost us. `margin_units` leaves exposure out: it is not owed yet."""
    cost = sum(tried.cost_units for tried in file.attempts)
    return {
        "price_units": file.task.price_units,
        "hold_units": file.task.hold_units,
        "units": file.task.units,
        "cost_units": cost,
        "margin_units": file.task.units - cost,
        "exposure_units": sum(tried.exposure_units for tried in file.attempts),
        "entries": [render_entry(entry) for entry in file.entries],
    }


def _timeline(file: TaskFile) -> Sequence[Document]:
    """What happened, in order; times with milliseconds, since that is what one looks for here."""
    task = file.task
    moments: list[tuple[float | None, str, Document]] = [
        (task.created_at, "created", {}),
        (task.started_at, "started", {}),
    ]
    for tried in file.attempts:
        which = {"attempt": tried.id, "vendor": tried.vendor}
        moments += [
            (tried.created_at, "attempt.intended", which),
            (tried.sent_at, "attempt.sent", which),
            (tried.finished_at, f"attempt.{tried.state.value}", which),
        ]
    moments.append((task.finished_at, task.status.value, {}))
    told = [(at, event, extra) for at, event, extra in moments if at is not None]
    return [
        {"at": round(at, 3), "event": event, **extra} for at, event, extra in sorted(told, key=lambda moment: moment[0])
    ]
