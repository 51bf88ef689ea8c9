"""Vendors' bills, line by line, each with what of ours it is for."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, case, delete, func, insert, select, update

from app.core.errors import InvalidRequest
from app.store.sql import Page, insert_if_absent, newest_first, page
from app.store.tables import attempts, bill_lines, bills, chats

Match = Literal["matched", "differs", "unknown", "repeated", "unmatched", "total"]
"""Of a line: its work is ours and costs what was expected, or another sum; nobody knows whether it was done; it was
billed before; no work of ours is called so; it names no single work and counts in its day's sum."""

CHUNK: Final = 500
"""Ids per query: fewer than either database takes parameters."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill that was imported, or whose import was begun (`finished_at` None)."""

    id: str
    vendor: str
    digest: str
    name: str
    lines: int
    units: int
    actor: str
    created_at: float
    finished_at: float | None = None


@dataclass(frozen=True, slots=True)
class BillLine:
    """A line of a bill. `expected_units`: what its attempt was expected to cost."""

    bill_id: str
    line: int
    vendor: str
    at: float | None
    model: str | None
    reference: str | None
    quantity: int | None
    units: int
    match: Match
    attempt_id: str | None = None
    expected_units: int | None = None


@dataclass(frozen=True, slots=True)
class Matches:
    """How many lines of a bill are of which kind, and their units."""

    lines: Mapping[str, int]
    units: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Work:
    """An attempt that a bill may name."""

    id: str
    state: str
    cost_units: int


def begin(tx: Connection, bill: Bill) -> Bill:
    """The bill of that file at that vendor: this one, or one that was imported before.

    One whose import was interrupted loses its lines, to be written anew.
    """
    if tx.execute(insert_if_absent(tx, bills).values(asdict(bill))).rowcount == 1:
        return bill
    same = (bills.c.vendor == bill.vendor) & (bills.c.digest == bill.digest)
    known = _bill(tx.execute(select(bills).where(same)).one())
    if known.finished_at is None:
        tx.execute(delete(bill_lines).where(bill_lines.c.bill_id == known.id))
    return known


def add_lines(tx: Connection, lines: Sequence[BillLine]) -> None:
    """Adds lines of a bill whose import was begun."""
    tx.execute(insert(bill_lines), [asdict(line) for line in lines])


def finish(tx: Connection, bill_id: str, *, at: float) -> None:
    """All lines are there: from now on it counts."""
    tx.execute(update(bills).where(bills.c.id == bill_id).values(finished_at=at))


def remove(tx: Connection, bill_id: str) -> bool:
    """Forgets a bill and its lines; false: there is none."""
    tx.execute(delete(bill_lines).where(bill_lines.c.bill_id == bill_id))
    return tx.execute(delete(bills).where(bills.c.id == bill_id)).rowcount == 1


def get(tx: Connection, bill_id: str) -> Bill | None:
    """One bill, or None."""
    row = tx.execute(select(bills).where(bills.c.id == bill_id)).one_or_none()
    return None if row is None else _bill(row)


def list_page(tx: Connection, *, vendor: str | None = None, after: str | None = None, limit: int = 20) -> Page[Bill]:
    """Bills, newest first. Raises: InvalidRequest: `after` is no cursor."""
    query = select(bills)
    if vendor is not None:
        query = query.where(bills.c.vendor == vendor)
    found = [_bill(row) for row in newest_first(tx, query, bills.c.created_at, after=after, limit=limit)]
    return page(found, [bill.id for bill in found], limit=limit)


def lines_page(
    tx: Connection, bill_id: str, *, match: Match | None = None, after: str | None = None, limit: int = 20
) -> Page[BillLine]:
    """Lines of a bill in their order; `after` is a line's number. Raises: InvalidRequest: it is not a number."""
    query = select(bill_lines).where(bill_lines.c.bill_id == bill_id).order_by(bill_lines.c.line).limit(limit + 1)
    if match is not None:
        query = query.where(bill_lines.c.match == match)
    if after is not None:
        if not after.isdecimal() or len(after) > 9:
            raise InvalidRequest("'after' is not a cursor of this list.", param="after")
        query = query.where(bill_lines.c.line > int(after))
    found = [BillLine(**row._mapping) for row in tx.execute(query)]
    return page(found, [str(line.line) for line in found], limit=limit)


def matches(tx: Connection, bill_id: str) -> Matches:
    """The sums of a bill's lines by how they match."""
    columns = bill_lines.c
    query = select(columns.match, func.count(), func.sum(columns.units)).where(columns.bill_id == bill_id)
    rows = list(tx.execute(query.group_by(columns.match).order_by(columns.match)))
    return Matches({row[0]: row[1] for row in rows}, {row[0]: int(row[2]) for row in rows})


def works_named(tx: Connection, vendor: str, references: Iterable[str]) -> dict[str, Work]:
    """A vendor's attempts by the references that name them: the vendor's id of the work, or ours of the attempt."""
    wanted = list(references)
    found: dict[str, Work] = {}
    for first in range(0, len(wanted), CHUNK):
        chunk = wanted[first : first + CHUNK]
        for name in (attempts.c.handle, attempts.c.id):
            query = select(name, attempts.c.id, attempts.c.state, attempts.c.cost_units).where(
                attempts.c.vendor == vendor, name.in_(chunk)
            )
            found |= {row[0]: Work(row[1], row[2], row[3]) for row in tx.execute(query)}
    return found


def billed_before(tx: Connection, attempt_ids: Iterable[str], *, beside: str) -> set[str]:
    """Which of these attempts a finished bill other than `beside` has named."""
    wanted, found = list(attempt_ids), set[str]()
    for first in range(0, len(wanted), CHUNK):
        query = (
            select(bill_lines.c.attempt_id)
            .join(bills, bills.c.id == bill_lines.c.bill_id)
            .where(
                bill_lines.c.attempt_id.in_(wanted[first : first + CHUNK]),
                bills.c.id != beside,
                bills.c.finished_at.is_not(None),
            )
        )
        found |= set(tx.execute(query).scalars())
    return found


def has_worked(tx: Connection, vendor: str) -> bool:
    """Whether a vendor was ever asked for anything, whatever the catalog says of it now."""
    asked = select(attempts.c.id).where(attempts.c.vendor == vendor).limit(1)
    texts = select(chats.c.id).where(chats.c.vendor == vendor).limit(1)
    either = select(case((asked.exists(), 1), (texts.exists(), 1), else_=0))
    return bool(tx.execute(either).scalar_one())


def _bill(row: Row[Any]) -> Bill:
    return Bill(**row._mapping)
