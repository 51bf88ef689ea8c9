"""Keys: the credentials of accounts, what they may use and spend. A key's secret is never here, only its hash."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, select, update

from app.store.accounts import Account
from app.store.sql import Page, newest_first, page
from app.store.tables import accounts, key_periods, keys

BudgetPeriod = Literal["total", "day", "month"]

_PATCHABLE = frozenset(
    {
        "name",
        "models",
        "budget_units",
        "budget_period",
        "requests_per_minute",
        "concurrency",
        "chat_image_style",
        "expires_at",
    }
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key. `models` None: all. A limit that is None: no limit. `hint`: the secret's last four characters."""

    id: str
    account_id: str
    name: str
    secret_hash: str = field(repr=False)
    hint: str
    created_at: float
    models: tuple[str, ...] | None = None
    budget_units: int | None = None
    budget_period: BudgetPeriod | None = None
    requests_per_minute: int | None = None
    concurrency: int | None = None
    chat_image_style: Literal["markdown", "data", "url"] = "markdown"
    expires_at: float | None = None
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Spending:
    """What a key has held and spent of its budget in one period."""

    period: str
    held_units: int
    spent_units: int


def create(tx: Connection, key: Key) -> None:
    """Adds a key. `secret_hash` is the secret's HMAC-SHA256 in hex, computed by the caller."""
    tx.execute(insert(keys).values(asdict(key)))


def get(tx: Connection, key_id: str) -> Key | None:
    """One key, revoked ones included, or None."""
    row = tx.execute(select(keys).where(keys.c.id == key_id)).one_or_none()
    return None if row is None else _key(row)


def find_by_hash(tx: Connection, secret_hash: str) -> tuple[Key, Account] | None:
    """The key with that hash, and its account; expired, revoked and disabled ones too: the caller tells them apart."""
    joined = select(*keys.c, *accounts.c).join_from(keys, accounts).where(keys.c.secret_hash == secret_hash)
    row = tx.execute(joined).one_or_none()
    if row is None:
        return None
    values = tuple(row)
    split = len(keys.c)
    key = dict(zip(keys.c.keys(), values[:split], strict=True))
    account = dict(zip(accounts.c.keys(), values[split:], strict=True))
    return _key_of(key), Account(**account)


def list_page(tx: Connection, *, account_id: str | None = None, after: str | None = None, limit: int = 20) -> Page[Key]:
    """Keys, newest first, of one account or of all. Raises: InvalidRequest: `after` is not a key's id."""
    query = select(keys) if account_id is None else select(keys).where(keys.c.account_id == account_id)
    found = [_key(row) for row in newest_first(tx, query, keys.c.created_at, after=after, limit=limit)]
    return page(found, [key.id for key in found], limit=limit)


def patch(tx: Connection, key_id: str, changes: Mapping[str, Any]) -> Key | None:
    """Changes a key's name, rights and limits; the key as it is then, or None. Money already spent stays counted."""
    assert changes.keys() <= _PATCHABLE, f"not patchable: {changes.keys() - _PATCHABLE}"
    if changes:
        tx.execute(update(keys).where(keys.c.id == key_id).values(**changes))
    return get(tx, key_id)


def revoke(tx: Connection, key_id: str, *, at: float) -> Key | None:
    """Ends a key for good; the first time counts. The key as it is then, or None."""
    tx.execute(update(keys).where(keys.c.id == key_id, keys.c.revoked_at.is_(None)).values(revoked_at=at))
    return get(tx, key_id)


def spending(tx: Connection, key_id: str, period: str) -> Spending:
    """What the key has held and spent in a period (`ledger.period_of`); zeros when nothing."""
    query = select(key_periods).where(key_periods.c.key_id == key_id, key_periods.c.period == period)
    row = tx.execute(query).one_or_none()
    return Spending(period, 0, 0) if row is None else Spending(period, row.held_units, row.spent_units)


def _key(row: Row[Any]) -> Key:
    return _key_of(dict(row._mapping))


def _key_of(values: dict[str, Any]) -> Key:
    models = values.pop("models")
    return Key(**values, models=None if models is None else tuple(models))
