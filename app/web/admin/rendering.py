"""Accounts, keys and entries as operators read them, on the wire and with `--json`. Times are whole unix seconds."""

from collections.abc import Callable
from typing import Any, TypeVar

from app.gateway.accounts import KeyState, NewKey
from app.store.accounts import Account
from app.store.keys import Key, Spending
from app.store.ledger import Entry
from app.store.ledger_verify import Verification
from app.store.sql import Page

T = TypeVar("T")

Document = dict[str, Any]


def render_page(page: Page[T], render: Callable[[T], Document]) -> Document:
    """Part of a list."""
    return {
        "items": [render(item) for item in page.items],
        "has_more": page.has_more,
        "next_cursor": page.next_cursor,
    }


def render_account(account: Account) -> Document:
    """An account, without its webhook secret."""
    return {
        "id": account.id,
        "name": account.name,
        "billing": account.billing,
        "balance_units": account.balance_units,
        "held_units": account.held_units,
        "available_units": account.available_units,
        "disabled": account.disabled,
        "webhook_url": account.webhook_url,
        "created_at": seconds(account.created_at),
    }


def render_account_once(account: Account) -> Document:
    """An account with the webhook secret that was just made: this is the only time it is shown."""
    return {**render_account(account), "webhook_secret": account.webhook_secret}


def render_key(state: KeyState) -> Document:
    """A key by its hint, with what is left of its budget."""
    key = state.key
    return {
        "id": key.id,
        "account_id": key.account_id,
        "name": key.name,
        "hint": key.hint,
        "models": None if key.models is None else list(key.models),
        "budget": _budget(key),
        "budget_usage": None if state.spending is None else _usage(key, state.spending),
        "requests_per_minute": key.requests_per_minute,
        "concurrency": key.concurrency,
        "expires_at": seconds(key.expires_at),
        "chat_image_style": key.chat_image_style,
        "created_at": seconds(key.created_at),
        "revoked_at": seconds(key.revoked_at),
    }


def render_new_key(new: NewKey) -> Document:
    """A key with its secret: this is the only time it is shown."""
    return {**render_key(new.state), "key": new.secret}


def render_entry(entry: Entry) -> Document:
    """One row of the ledger. `id` is its place in the order of all entries."""
    return {
        "id": entry.seq,
        "kind": entry.kind,
        "units": entry.units,
        "account_id": entry.account_id,
        "key_id": entry.key_id,
        "charge_id": entry.charge_id,
        "hold_units": entry.hold_units,
        "period": entry.period,
        "price": None if entry.price is None else dict(entry.price),
        "estimated": entry.estimated,
        "reason": entry.reason,
        "actor": entry.actor,
        "created_at": seconds(entry.at),
    }


def render_verification(verification: Verification) -> Document:
    """Whether every invariant of the ledger holds."""
    return {
        "ok": verification.ok,
        "entries": verification.entries,
        "accounts": verification.accounts,
        "violations": list(verification.violations),
    }


def seconds(at: float | None) -> int | None:
    """A time as it is shown."""
    return None if at is None else int(at)


def _budget(key: Key) -> Document | None:
    return None if key.budget_units is None else {"units": key.budget_units, "period": key.budget_period}


def _usage(key: Key, spending: Spending) -> Document:
    assert key.budget_units is not None
    return {
        "period": spending.period,
        "held_units": spending.held_units,
        "spent_units": spending.spent_units,
        "available_units": max(key.budget_units - spending.held_units - spending.spent_units, 0),
    }
