"""Reference pictures of tasks that are done later: stored durably before the task exists, read again by who does it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.core.clock import Clock
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.image import ImageRequest
from app.core.media import EXTENSIONS, Blob, MediaStore
from app.gateway.outputs import media_name
from app.gateway.request_record import stored_names
from app.media.pictures import PictureLimits, measure
from app.store.media import Media
from app.store.tasks import Task

CHECKED_S: Final = 1.0
"""How long it is believed that pictures can be stored: to find out takes a thread, for each request."""
KEPT_AFTER_S: Final = 3600.0
"""How long inputs stay after the task's deadline."""


@dataclass(frozen=True, slots=True)
class StoredInputs:
    """Stored pictures: their rows, and their names in the media store by sha256."""

    rows: tuple[Media, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


class InputStore:
    """Keeps input pictures in the media store, under ids that no link is ever signed for."""

    def __init__(self, media: MediaStore, *, clock: Clock, limits: PictureLimits) -> None:
        """`limits`: those that the pictures were found to be within."""
        self._media = media
        self._clock = clock
        self._limits = limits
        self._checked_until = 0.0

    async def check(self) -> None:
        """Raises: Overloaded (storage_unavailable) when pictures could not be stored now, or a moment ago."""
        if self._clock.monotonic() >= self._checked_until:
            await self._media.check()
            self._checked_until = self._clock.monotonic() + CHECKED_S

    async def keep(self, request: ImageRequest, task: Task, *, until: float) -> StoredInputs:
        """Stores every picture of the request that came as bytes, once each. Raises: Overloaded."""
        rows: list[Media] = []
        names: dict[str, str] = {}
        for blob in _blobs(request):
            if blob.sha256 not in names:
                row = self._row(blob, task, position=len(rows), expires_at=until + KEPT_AFTER_S)
                names[blob.sha256] = media_name(row.id, row.mime)
                await self._media.put(names[blob.sha256], blob)
                rows.append(row)
        return StoredInputs(tuple(rows), names)

    async def discard(self, stored: StoredInputs) -> None:
        """Erases what belongs to no task after all."""
        for name in stored.names.values():
            await self._media.delete(name)

    async def fetch(self, record: Mapping[str, Any]) -> dict[str, Blob] | None:
        """A recorded request's pictures by name; None when one is gone."""
        try:
            return {name: await self._media.blob(name, sha256=digest) for name, digest in stored_names(record).items()}
        except NotFound:
            return None

    def _row(self, blob: Blob, task: Task, *, position: int, expires_at: float) -> Media:
        picture = measure(blob, limits=self._limits)
        return Media(
            id=new_id("med"),
            task_id=task.id,
            account_id=task.account_id,
            role="input",
            position=position,
            mime=picture.mime,
            extension=EXTENSIONS[picture.mime],
            width=picture.width,
            height=picture.height,
            size_bytes=blob.size_bytes,
            sha256=blob.sha256,
            created_at=task.created_at,
            expires_at=expires_at,
        )


def _blobs(request: ImageRequest) -> Iterable[Blob]:
    pictures = [*request.inputs, *([request.mask] if request.mask else [])]
    return (picture.blob for picture in pictures if picture.blob is not None)
