"""What one process has found out of a vendor, a model or a credential there, for all others: a row each, the last word
counts. Times are told as durations, so that nobody's clock is compared with another's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, select, update

from app.store.sql import insert_if_absent, now
from app.store.tables import vendor_health

State = Literal["closed", "open", "probing"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`open`: it is left alone for `rest_s`; `probing`: somebody finds out. `usual_s`: what it usually takes."""

    vendor: str
    subject: str
    state: State
    openings: int
    rest_s: float
    usual_s: float | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A finding as it stands now, `ago_s` seconds after the process said so at `changed_at`."""

    finding: Finding
    ago_s: float
    changed_at: float
    process: str


def tell(tx: Connection, findings: Iterable[Finding], *, process: str, at: float) -> None:
    """Writes what a process has found out over what was known."""
    for one in findings:
        values: dict[str, Any] = {
            "state": one.state,
            "openings": one.openings,
            "until": now(tx, at) + one.rest_s,
            "usual_s": one.usual_s,
            "changed_at": now(tx, at),
            "process": process,
        }
        first = insert_if_absent(tx, vendor_health).values(vendor=one.vendor, subject=one.subject, **values)
        if tx.execute(first).rowcount == 0:
            known = (vendor_health.c.vendor == one.vendor) & (vendor_health.c.subject == one.subject)
            tx.execute(update(vendor_health).where(known).values(**values))


def heard(tx: Connection, *, at: float, beside: str) -> tuple[Heard, ...]:
    """What the other processes said last of everything; `beside` is the one that asks."""
    columns, moment = vendor_health.c, now(tx, at)
    query = select(
        columns.vendor,
        columns.subject,
        columns.state,
        columns.openings,
        (columns.until - moment).label("rest_s"),
        columns.usual_s,
        (moment - columns.changed_at).label("ago_s"),
        columns.changed_at,
        columns.process,
    ).where(columns.process != beside)
    return tuple(
        Heard(
            Finding(row.vendor, row.subject, row.state, row.openings, max(row.rest_s, 0.0), row.usual_s),
            max(row.ago_s, 0.0),
            row.changed_at,
            row.process,
        )
        for row in tx.execute(query)
    )
