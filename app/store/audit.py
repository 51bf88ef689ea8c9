"""The audit log: who changed what, from what to what. Callers mask secrets before they come here."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from app.store.sql import Page, newest_first, page
from app.store.tables import audit


@dataclass(frozen=True, slots=True)
class Change:
    """One change by `actor`; `before` and `after` hold what differs, `subject` is the id or name of what changed."""

    id: str
    at: float
    actor: str
    action: str
    subject: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


def record(tx: Connection, change: Change) -> None:
    """Adds a change, in the transaction that makes it."""
    tx.execute(insert(audit).values(asdict(change)))


def list_page(tx: Connection, *, subject: str | None = None, after: str | None = None, limit: int = 20) -> Page[Change]:
    """Changes, newest first, of one subject or of all. Raises: InvalidRequest: `after` is not a change's id."""
    query = select(audit) if subject is None else select(audit).where(audit.c.subject == subject)
    found = [Change(**row._mapping) for row in newest_first(tx, query, audit.c.at, after=after, limit=limit)]
    return page(found, [change.id for change in found], limit=limit)
