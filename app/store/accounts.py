"""Accounts: who pays. Their counters are written by the ledger alone."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sqlalchemy import Connection, Row, func, insert, select, update

from app.core.errors import InvalidRequest
from app.store.sql import Page, newest_first, page
from app.store.tables import accounts

Billing = Literal["prepaid", "unlimited"]

_PATCHABLE = frozenset(
    {"name", "billing", "webhook_url", "webhook_secret", "webhook_secret_old", "webhook_secret_old_until", "disabled"}
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as it stands. `balance_units` includes `held_units`; an unlimited account's may be negative."""

    id: str
    name: str
    billing: Billing
    created_at: float
    balance_units: int = 0
    held_units: int = 0
    webhook_url: str | None = None
    webhook_secret: str | None = field(default=None, repr=False)
    webhook_secret_old: str | None = field(default=None, repr=False)
    webhook_secret_old_until: float | None = None
    disabled: bool = False

    @property
    def available_units(self) -> int:
        """What may still be held."""
        return self.balance_units - self.held_units


def create(tx: Connection, account: Account) -> None:
    """Adds an account with nothing on it: money comes by `ledger.grant`."""
    assert account.balance_units == 0
    assert account.held_units == 0
    tx.execute(insert(accounts).values(asdict(account)))


def get(tx: Connection, account_id: str) -> Account | None:
    """One account, or None."""
    row = tx.execute(select(accounts).where(accounts.c.id == account_id)).one_or_none()
    return None if row is None else _account(row)


def list_page(tx: Connection, *, after: str | None = None, limit: int = 20) -> Page[Account]:
    """Accounts, newest first. Raises: InvalidRequest: `after` is not an account's id."""
    rows = newest_first(tx, select(accounts), accounts.c.created_at, after=after, limit=limit)
    found = [_account(row) for row in rows]
    return page(found, [account.id for account in found], limit=limit)


def oldest(tx: Connection) -> float | None:
    """When the first account was made, in unix seconds: as old as anything in this database. None without any."""
    at: float | None = tx.execute(select(func.min(accounts.c.created_at))).scalar_one()
    return at


def patch(tx: Connection, account_id: str, changes: Mapping[str, Any]) -> Account | None:
    """Changes name, billing, webhook or `disabled`; the account as it is then, or None when there is none.

    Raises:
        InvalidRequest: it cannot become prepaid, because more is held than there is.
    """
    assert changes.keys() <= _PATCHABLE, f"not patchable: {changes.keys() - _PATCHABLE}"
    if not changes:
        return get(tx, account_id)
    written = update(accounts).where(accounts.c.id == account_id)
    if changes.get("billing") == "prepaid":
        written = written.where(accounts.c.held_units <= accounts.c.balance_units)
    if tx.execute(written.values(**changes)).rowcount == 0 and get(tx, account_id) is not None:
        raise InvalidRequest("The account's balance is below what is held: grant units first.", param="billing")
    return get(tx, account_id)


def _account(row: Row[Any]) -> Account:
    return Account(**row._mapping)
