"""Catalog revisions: every document that was ever in force, by number. What a document means is not known here."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, select

from app.core.errors import Conflict, InvalidRequest
from app.store.sql import Page, insert_if_absent, page
from app.store.tables import catalog_revisions


@dataclass(frozen=True, slots=True)
class Revision:
    """One document as an operator wrote it; numbers count from 1 and the highest is in force."""

    n: int
    document: str = field(repr=False)
    format: Literal["yaml", "json"]
    author: str
    comment: str | None
    created_at: float


def latest_number(tx: Connection) -> int:
    """The number of the revision in force; 0 when there is none. Cheap: replicas ask every few seconds."""
    return int(tx.execute(select(func.coalesce(func.max(catalog_revisions.c.n), 0))).scalar_one())


def latest(tx: Connection) -> Revision | None:
    """The revision in force, or None."""
    row = tx.execute(select(catalog_revisions).order_by(catalog_revisions.c.n.desc()).limit(1)).one_or_none()
    return None if row is None else _revision(row)


def get(tx: Connection, n: int) -> Revision | None:
    """One revision, or None."""
    row = tx.execute(select(catalog_revisions).where(catalog_revisions.c.n == n)).one_or_none()
    return None if row is None else _revision(row)


def append(tx: Connection, revision: Revision) -> None:
    """Puts a revision in force; its number is the one after the revision that its author saw.

    Raises:
        Conflict (conflict): somebody else's revision took the number, or the number is not the next one.
    """
    appended = revision.n == latest_number(tx) + 1 and (
        tx.execute(insert_if_absent(tx, catalog_revisions).values(asdict(revision))).rowcount == 1
    )
    if not appended:
        raise Conflict("The catalog has changed meanwhile; read it again.", code="conflict")


def list_page(tx: Connection, *, after: str | None = None, limit: int = 20) -> Page[Revision]:
    """Revisions, newest first; `after` is a revision's number. Raises: InvalidRequest: it is not a number."""
    query = select(catalog_revisions).order_by(catalog_revisions.c.n.desc()).limit(limit + 1)
    if after is not None:
        if not after.isdecimal():
            raise InvalidRequest("'after' is not a cursor of this list.", param="after")
        query = query.where(catalog_revisions.c.n < int(after))
    found = [_revision(row) for row in tx.execute(query)]
    return page(found, [str(revision.n) for revision in found], limit=limit)


def _revision(row: Row[Any]) -> Revision:
    return Revision(**row._mapping)
