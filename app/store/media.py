"""Media rows: what is known about stored pictures, and whose they are. The bytes are elsewhere (`app/media`)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, bindparam, insert, literal_column, select, update

from app.store.sql import now, row_of
from app.store.tables import media

Role = Literal["output", "input"]


@dataclass(frozen=True, slots=True)
class Media:
    """A stored picture: the `position`-th output or input of its task. Sizes are measured from the bytes."""

    id: str
    task_id: str
    account_id: str
    role: Role
    position: int
    mime: str
    extension: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    created_at: float
    expires_at: float
    revised_prompt: str | None = None
    erased_at: float | None = None


# The hot statements are built once; building one costs more than running it.
_INSERT: Final = insert(media)
_OUTPUTS: Final = (
    select(media)
    .where(media.c.task_id.in_(bindparam("_task_ids", expanding=True)), media.c.role == literal_column("'output'"))
    .order_by(media.c.position)
)


def insert_all(tx: Connection, pictures: Collection[Media]) -> None:
    """Adds rows for pictures whose bytes are already stored durably (L9)."""
    if pictures:
        tx.execute(_INSERT, [row_of(picture) for picture in pictures])


def get(tx: Connection, media_id: str) -> Media | None:
    """One picture, erased ones included, or None."""
    row = tx.execute(select(media).where(media.c.id == media_id)).one_or_none()
    return None if row is None else _media(row)


def list_for_task(tx: Connection, task_id: str, *, role: Role = "output") -> tuple[Media, ...]:
    """A task's pictures in order."""
    query = select(media).where(media.c.task_id == task_id, media.c.role == role).order_by(media.c.position)
    return tuple(_media(row) for row in tx.execute(query))


def list_for_tasks(tx: Connection, task_ids: Collection[str]) -> dict[str, tuple[Media, ...]]:
    """The outputs of several tasks, by task, in order; a task without any is not in it."""
    found: dict[str, tuple[Media, ...]] = {}
    for row in tx.execute(_OUTPUTS, {"_task_ids": list(task_ids)}):
        found[row.task_id] = (*found.get(row.task_id, ()), _media(row))
    return found


def expired(tx: Connection, *, at: float, limit: int) -> tuple[Media, ...]:
    """Pictures whose time is over and whose bytes are still there, oldest first."""
    query = select(media).where(media.c.erased_at.is_(None), media.c.expires_at <= now(tx, at))
    return tuple(_media(row) for row in tx.execute(query.order_by(media.c.expires_at).limit(limit)))


def kept(tx: Connection, media_ids: Collection[str]) -> frozenset[str]:
    """Those of the ids whose pictures are to be there: rows that are not erased."""
    query = select(media.c.id).where(media.c.id.in_(media_ids), media.c.erased_at.is_(None))
    return frozenset(tx.execute(query).scalars())


def mark_erased(tx: Connection, media_ids: Collection[str], *, at: float) -> None:
    """The bytes are gone; the rows stay, to answer 410."""
    tx.execute(update(media).where(media.c.id.in_(media_ids), media.c.erased_at.is_(None)).values(erased_at=at))


def _media(row: Row[Any]) -> Media:
    return Media(**row._mapping)
