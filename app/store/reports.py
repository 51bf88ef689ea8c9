"""Usage: what was asked, delivered, charged and paid, summed from tasks, their attempts and chats."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Select, Subquery, func, literal, null, select, union_all

from app.store.sql import allow_long, day_of
from app.store.tables import attempts, chats, tasks

Dimension = Literal["account", "key", "model", "vendor", "day"]

LONG_S: Final = 60

_SUMS: Final = ("requests", "images", "input_tokens", "output_tokens", "units", "cost_units", "exposure_units")


@dataclass(frozen=True, slots=True)
class Usage:
    """The sums of one group; `group` has a value per dimension asked for. Requests count where they were created (UTC).

    A task that was tried at several vendors counts as a request at each, its charge where its pictures came from.
    """

    group: tuple[str | None, ...]
    requests: int
    images: int
    input_tokens: int
    output_tokens: int
    units: int
    cost_units: int
    exposure_units: int

    @property
    def margin_units(self) -> int:
        """What was charged and not paid on."""
        return self.units - self.cost_units


def usage(
    tx: Connection,
    *,
    group_by: Sequence[Dimension] = (),
    start: float | None = None,
    end: float | None = None,
    account_id: str | None = None,
    key_id: str | None = None,
) -> tuple[Usage, ...]:
    """Usage from `start` until before `end` (unix seconds), by those dimensions, sorted by them."""
    allow_long(tx, seconds=LONG_S)
    images = _images(tx, by_vendor="vendor" in group_by)
    rows = union_all(*(_during(query, start, end, account_id, key_id) for query in (images, _texts(tx)))).subquery()
    columns = [rows.c[dimension] for dimension in group_by]
    sums = [func.coalesce(func.sum(rows.c[name]), 0).label(name) for name in _SUMS]
    query = select(*columns, *sums).group_by(*columns).order_by(*columns)
    split = len(columns)
    return tuple(Usage(tuple(row[:split]), *(int(value) for value in row[split:])) for row in tx.execute(query))


def _images(tx: Connection, *, by_vendor: bool) -> Subquery:
    """A row per task, or per task and vendor that was tried."""
    tried = _tried(by_vendor=by_vendor)
    delivered = func.coalesce(tried.c.images, 0) if by_vendor else tasks.c.images_delivered
    charged = tasks.c.price_units * delivered if by_vendor else tasks.c.units
    return (
        select(
            tasks.c.account_id.label("account"),
            tasks.c.key_id.label("key"),
            tasks.c.model.label("model"),
            tried.c.vendor.label("vendor"),
            day_of(tx, tasks.c.created_at).label("day"),
            tasks.c.created_at.label("at"),
            literal(1).label("requests"),
            delivered.label("images"),
            literal(0).label("input_tokens"),
            literal(0).label("output_tokens"),
            charged.label("units"),
            func.coalesce(tried.c.cost_units, 0).label("cost_units"),
            func.coalesce(tried.c.exposure_units, 0).label("exposure_units"),
        )
        .join_from(tasks, tried, tried.c.task_id == tasks.c.id, isouter=True)
        .subquery()
    )


def _tried(*, by_vendor: bool) -> Subquery:
    groups: list[Any] = [attempts.c.task_id, attempts.c.vendor] if by_vendor else [attempts.c.task_id]
    return (
        select(
            attempts.c.task_id,
            (attempts.c.vendor if by_vendor else null()).label("vendor"),
            func.sum(attempts.c.images_delivered).label("images"),
            func.sum(attempts.c.cost_units).label("cost_units"),
            func.sum(attempts.c.exposure_units).label("exposure_units"),
        )
        .group_by(*groups)
        .subquery()
    )


def _texts(tx: Connection) -> Subquery:
    return select(
        chats.c.account_id.label("account"),
        chats.c.key_id.label("key"),
        chats.c.model.label("model"),
        chats.c.vendor.label("vendor"),
        day_of(tx, chats.c.created_at).label("day"),
        chats.c.created_at.label("at"),
        literal(1).label("requests"),
        literal(0).label("images"),
        chats.c.input_tokens.label("input_tokens"),
        chats.c.output_tokens.label("output_tokens"),
        chats.c.units.label("units"),
        chats.c.cost_units.label("cost_units"),
        chats.c.exposure_units.label("exposure_units"),
    ).subquery()


def _during(
    rows: Subquery, start: float | None, end: float | None, account_id: str | None, key_id: str | None
) -> Select[Any]:
    query = select(rows)
    if start is not None:
        query = query.where(rows.c.at >= start)
    if end is not None:
        query = query.where(rows.c.at < end)
    if account_id is not None:
        query = query.where(rows.c.account == account_id)
    if key_id is not None:
        query = query.where(rows.c.key == key_id)
    return query
