"""What we charged and expected to pay at each vendor, model and period, beside what the vendor has billed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, literal, select, true

from app.core.attempt import AttemptState
from app.store.sql import allow_long, day_of
from app.store.tables import attempts, bill_lines, bills, chats, tasks

Period = Literal["day", "month", "total"]

LONG_S: Final = 60
_DAY_CHARS: Final = {"day": 10, "month": 7, "total": 0}


@dataclass(slots=True)
class Sums:
    """Of one vendor, model there and period. Money is units.

    `attempts`: image attempts and text requests that were sent there. `charged_units`: what clients paid for what came
    of them. `expected_units`: what the vendor should bill. `exposure_units`: what it may bill beyond, for
    `unknown` ones. `billed_units`: what it did bill, by `billed_lines` lines; of these `unmatched_lines` name no work
    of ours or work that was billed before. `unbilled`: image attempts that should be billed and that no line names.
    """

    attempts: int = 0
    images: int = 0
    charged_units: int = 0
    expected_units: int = 0
    unknown: int = 0
    exposure_units: int = 0
    billed_lines: int = 0
    billed_units: int = 0
    unmatched_lines: int = 0
    unmatched_units: int = 0
    unbilled: int = 0
    unbilled_units: int = 0

    @property
    def difference_units(self) -> int:
        """What was billed beyond what was expected."""
        return self.billed_units - self.expected_units

    @property
    def margin_units(self) -> int:
        """What was charged beyond what the vendor billed; where it billed nothing, beyond what is expected."""
        return self.charged_units - (self.billed_units if self.billed_lines else self.expected_units)

    def add(self, column: str, amount: int) -> None:
        """Adds to one of the sums."""
        setattr(self, column, getattr(self, column) + amount)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """One row of the report. `model` is the vendor's name of it. None: the bill does not say."""

    vendor: str
    model: str | None
    period: str | None
    sums: Sums


SUMS: Final = tuple(field.name for field in fields(Sums))


def reconcile(
    tx: Connection,
    *,
    by: Period = "month",
    start: float | None = None,
    end: float | None = None,
    vendor: str | None = None,
) -> tuple[Reconciled, ...]:
    """The report of what was begun from `start` until before `end` (unix seconds), sorted; periods are of UTC.

    A line that names work of ours counts at the work's model and day, any other at its own.
    """
    allow_long(tx, seconds=LONG_S)
    found: dict[tuple[str, str | None, str | None], Sums] = {}
    for query in (_images(tx), _texts(tx), _billed(tx)):
        for row in tx.execute(_during(query, start, end, vendor)):
            told = dict(row._mapping)
            day = told.pop("day")
            period = None if day is None or by == "total" else day[: _DAY_CHARS[by]]
            sums = found.setdefault((told.pop("vendor"), told.pop("model"), period), Sums())
            for column, amount in told.items():
                sums.add(column, int(amount or 0))
    return tuple(Reconciled(*key, found[key]) for key in sorted(found, key=lambda key: [part or "" for part in key]))


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows of one kind: where they are, what is summed, and which columns say whose and when."""

    rows: Any
    vendor: ColumnElement[Any]
    model: ColumnElement[Any]
    at: ColumnElement[float]
    day: ColumnElement[str]
    sums: Sequence[tuple[str, ColumnElement[Any]]]
    only: ColumnElement[bool]


def _images(tx: Connection) -> _Part:
    columns = attempts.c
    unknown = columns.state == AttemptState.UNKNOWN
    named = (
        select(bill_lines.c.line)
        .join(bills, bills.c.id == bill_lines.c.bill_id)
        .where(bill_lines.c.attempt_id == columns.id, bills.c.finished_at.is_not(None))
        .exists()
    )
    unbilled = and_(columns.cost_units > 0, ~named)
    return _Part(
        attempts.join(tasks, tasks.c.id == columns.task_id),
        columns.vendor,
        columns.vendor_model,
        columns.created_at,
        day_of(tx, columns.created_at),
        (
            ("attempts", literal(1)),
            ("images", columns.images_delivered),
            ("charged_units", tasks.c.price_units * columns.images_delivered),
            ("expected_units", columns.cost_units),
            ("unknown", case((unknown, 1), else_=0)),
            ("exposure_units", case((unknown, columns.exposure_units), else_=0)),
            ("unbilled", case((unbilled, 1), else_=0)),
            ("unbilled_units", case((unbilled, columns.cost_units), else_=0)),
        ),
        columns.sent_at.is_not(None),
    )


def _texts(tx: Connection) -> _Part:
    columns = chats.c
    return _Part(
        chats,
        columns.vendor,
        columns.vendor_model,
        columns.created_at,
        day_of(tx, columns.created_at),
        (
            ("attempts", literal(1)),
            ("charged_units", columns.units),
            ("expected_units", columns.cost_units),
            ("unknown", case((columns.exposure_units > 0, 1), else_=0)),
            ("exposure_units", columns.exposure_units),
        ),
        columns.vendor.is_not(None),
    )


def _billed(tx: Connection) -> _Part:
    columns = bill_lines.c
    at = func.coalesce(attempts.c.created_at, columns.at)
    nobodys = columns.match.in_(("unmatched", "repeated"))
    joined = bill_lines.join(bills, bills.c.id == columns.bill_id)
    return _Part(
        joined.join(attempts, attempts.c.id == columns.attempt_id, isouter=True),
        columns.vendor,
        func.coalesce(attempts.c.vendor_model, columns.model),
        at,
        day_of(tx, at),
        (
            ("billed_lines", literal(1)),
            ("billed_units", columns.units),
            ("unmatched_lines", case((nobodys, 1), else_=0)),
            ("unmatched_units", case((nobodys, columns.units), else_=0)),
        ),
        bills.c.finished_at.is_not(None),
    )


def _during(part: _Part, start: float | None, end: float | None, vendor: str | None) -> Select[Any]:
    wanted = true() if vendor is None else part.vendor == vendor
    keys = (part.vendor.label("vendor"), part.model.label("model"), part.day.label("day"))
    values = (value.label(name) for name, value in part.sums)
    query = select(*keys, *values).select_from(part.rows).where(part.only, wanted)
    if start is not None:
        query = query.where(part.at >= start)
    if end is not None:
        query = query.where(part.at < end)
    rows = query.subquery()
    groups = (rows.c.vendor, rows.c.model, rows.c.day)
    return select(*groups, *(func.sum(rows.c[name]).label(name) for name, _ in part.sums)).group_by(*groups)
