"""What models cost over time: a row whenever a catalog in force says another price, or another cost at a vendor."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, and_, func, literal, select, tuple_

from app.core.errors import InvalidRequest
from app.store.sql import Page, insert_if_absent, page
from app.store.tables import model_prices

Parts = Mapping[str, int]
"""Units by part: `per_image`, `per_1m_input_tokens`, …"""


@dataclass(frozen=True, slots=True)
class Priced:
    """A model's price since unix seconds `since`, by catalog `revision`; `costs` by vendor and its model. `n` counts a
    model's prices from 1. An empty price: the model was taken away.
    """

    model: str
    n: int
    revision: int
    since: float
    price: Parts
    costs: Mapping[str, Parts]


def note(tx: Connection, told: Mapping[str, tuple[Parts, Mapping[str, Parts]]], *, revision: int, at: float) -> int:
    """Adds what differs from what was noted last; answers how many models that were. Of several processes one does."""
    known = {one.model: one for one in _latest(tx)}
    gone: dict[str, tuple[Parts, Mapping[str, Parts]]] = {
        model: ({}, {}) for model, one in known.items() if model not in told and one.price
    }
    changed = 0
    for model, (price, costs) in {**gone, **told}.items():
        last = known.get(model)
        if last is not None and (last.price, last.costs) == (price, costs):
            continue
        row = Priced(model, 1 if last is None else last.n + 1, revision, at, price, costs)
        changed += tx.execute(insert_if_absent(tx, model_prices).values(asdict(row))).rowcount
    return changed


def list_page(tx: Connection, *, model: str | None = None, after: str | None = None, limit: int = 20) -> Page[Priced]:
    """Prices, the newest first; a cursor is a row's number and model. Raises: InvalidRequest: `after` is none."""
    columns = model_prices.c
    query = select(model_prices)
    if model is not None:
        query = query.where(columns.model == model)
    if after is not None:
        number, _, name = after.partition(".")
        same = and_(columns.model == name, columns.n == (int(number) if number.isdecimal() else 0))
        since = tx.execute(select(columns.since).where(same)).scalar_one_or_none()
        if since is None:
            raise InvalidRequest("'after' is not a cursor of this list.", param="after")
        query = query.where(
            tuple_(columns.since, columns.model, columns.n)
            < tuple_(literal(since), literal(name), literal(int(number)))
        )
    query = query.order_by(columns.since.desc(), columns.model.desc(), columns.n.desc()).limit(limit + 1)
    found = [Priced(**row._mapping) for row in tx.execute(query)]
    return page(found, [f"{one.n}.{one.model}" for one in found], limit=limit)


def _latest(tx: Connection) -> list[Priced]:
    newest = (
        select(model_prices.c.model, func.max(model_prices.c.n).label("n")).group_by(model_prices.c.model).subquery()
    )
    joined = and_(model_prices.c.model == newest.c.model, model_prices.c.n == newest.c.n)
    return [Priced(**row._mapping) for row in tx.execute(select(model_prices).join(newest, joined))]
