"""Accounts, keys and money as operators change them; every change is audited in its own transaction."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.core.clock import Clock
from app.core.errors import NotFound
from app.core.ids import new_id, new_key_secret
from app.gateway.account_forms import AccountForm, AccountPatch, AdjustmentForm, GrantForm, KeyForm, KeyPatch
from app.gateway.caller import KeyHasher
from app.store import accounts, audit, keys, ledger
from app.store.accounts import Account
from app.store.database import Database, Tx
from app.store.keys import Key, Spending
from app.store.ledger import Entry, period_of
from app.store.sql import Page

WEBHOOK_OVERLAP_S: Final = 24 * 3600
"""How long a replaced webhook secret keeps signing beside the new one."""
HINT_CHARS: Final = 4


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key, and what it has held and spent of its budget in the current period; None: it has no budget."""

    key: Key
    spending: Spending | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made, with its secret: nobody can read it again."""

    state: KeyState
    secret: str = field(repr=False)


class Accounts:
    """What an operator may do to accounts and keys. `actor` names who does it, for the audit."""

    def __init__(self, database: Database, hasher: KeyHasher, *, clock: Clock, actor: str = "admin") -> None:
        self._database = database
        self._hasher = hasher
        self._clock = clock
        self._actor = actor

    async def create(self, form: AccountForm) -> Account:
        """A new account with nothing on it. This answer is the one that may show its `webhook_secret`."""
        account = Account(
            id=new_id("acc"),
            name=form.name,
            billing=form.billing,
            created_at=self._clock.now(),
            webhook_url=form.webhook_url,
            webhook_secret=_new_webhook_secret(),
        )

        def unit(tx: Tx) -> None:
            accounts.create(tx, account)
            self._audit(tx, "account.created", account.id, after=form.model_dump())

        await self._database.write(unit)
        return account

    async def get(self, account_id: str) -> Account:
        """One account. Raises: NotFound."""
        return await self._database.read(lambda tx: _account(tx, account_id))

    async def page(self, *, after: str | None = None, limit: int = 20) -> Page[Account]:
        """Accounts, newest first. Raises: InvalidRequest: `after` is no cursor."""
        return await self._database.read(lambda tx: accounts.list_page(tx, after=after, limit=limit))

    async def patch(self, account_id: str, form: AccountPatch) -> Account:
        """Changes what the form says. Raises: NotFound; InvalidRequest: it cannot become prepaid."""

        def unit(tx: Tx) -> Account:
            before = _account(tx, account_id)
            after = accounts.patch(tx, account_id, form.said())
            assert after is not None
            self._audit_difference(tx, "account.changed", before, after, form.said())
            return after

        return await self._database.write(unit)

    async def rotate_webhook_secret(self, account_id: str) -> Account:
        """Gives the account a new webhook secret; the old one signs beside it for a day. Raises: NotFound."""
        secret = _new_webhook_secret()

        def unit(tx: Tx) -> Account:
            before = _account(tx, account_id)
            until = self._clock.now() + WEBHOOK_OVERLAP_S
            changes = {
                "webhook_secret": secret,
                "webhook_secret_old": before.webhook_secret,
                "webhook_secret_old_until": until,
            }
            after = accounts.patch(tx, account_id, changes)
            assert after is not None
            self._audit(tx, "account.webhook_secret_rotated", account_id, after={"webhook_secret_old_until": until})
            return after

        return await self._database.write(unit)

    async def grant(self, account_id: str, form: GrantForm) -> Entry:
        """Adds units. Raises: NotFound; InvalidRequest: more than can be counted."""
        return await self._move(account_id, "account.granted", form)

    async def adjust(self, account_id: str, form: AdjustmentForm) -> Entry:
        """Corrects the balance. Raises: NotFound; InvalidRequest: zero, or a prepaid account has less available."""
        return await self._move(account_id, "account.adjusted", form)

    async def create_key(self, form: KeyForm) -> NewKey:
        """A new key of an account, with the secret that is shown this once. Raises: NotFound: no such account."""
        secret = new_key_secret()
        key = Key(
            **{"id": new_id("key"), **form.columns()},
            secret_hash=self._hasher.hash(secret),
            hint=secret[-HINT_CHARS:],
            created_at=self._clock.now(),
        )

        def unit(tx: Tx) -> KeyState:
            _account(tx, key.account_id, param="account_id")
            keys.create(tx, key)
            self._audit(tx, "key.created", key.id, after=form.model_dump())
            return self._state(tx, key)

        return NewKey(await self._database.write(unit), secret)

    async def get_key(self, key_id: str) -> KeyState:
        """One key, revoked ones included. Raises: NotFound."""
        return await self._database.read(lambda tx: self._state(tx, _key(tx, key_id)))

    async def keys_page(
        self, *, account_id: str | None = None, after: str | None = None, limit: int = 20
    ) -> Page[KeyState]:
        """Keys of one account or of all, newest first. Raises: InvalidRequest: `after` is no cursor."""

        def query(tx: Tx) -> Page[KeyState]:
            found = keys.list_page(tx, account_id=account_id, after=after, limit=limit)
            return Page(tuple(self._state(tx, key) for key in found.items), found.next_cursor)

        return await self._database.read(query)

    async def patch_key(self, key_id: str, form: KeyPatch) -> KeyState:
        """Changes what the form says; what was spent stays spent. Raises: NotFound."""

        def unit(tx: Tx) -> KeyState:
            before = _key(tx, key_id)
            after = keys.patch(tx, key_id, form.columns())
            assert after is not None
            self._audit_difference(tx, "key.changed", before, after, form.columns())
            return self._state(tx, after)

        return await self._database.write(unit)

    async def revoke_key(self, key_id: str) -> KeyState:
        """Ends a key for good; again is no error and changes nothing. Raises: NotFound."""

        def unit(tx: Tx) -> KeyState:
            before = _key(tx, key_id)
            after = keys.revoke(tx, key_id, at=self._clock.now())
            assert after is not None
            self._audit_difference(tx, "key.revoked", before, after, {"revoked_at": after.revoked_at})
            return self._state(tx, after)

        return await self._database.write(unit)

    async def _move(
        self,
        account_id: str,
        action: Literal["account.granted", "account.adjusted"],
        form: GrantForm | AdjustmentForm,
    ) -> Entry:
        at = self._clock.now()
        move = ledger.grant if action == "account.granted" else ledger.adjust

        def unit(tx: Tx) -> Entry:
            before = _account(tx, account_id)
            entry = move(tx, account_id=account_id, units=form.units, reason=form.reason, actor=self._actor, at=at)
            after = {"balance_units": before.balance_units + entry.units, "entry": entry.seq, **form.model_dump()}
            self._audit(tx, action, account_id, before={"balance_units": before.balance_units}, after=after)
            return entry

        return await self._database.write(unit)

    def _state(self, tx: Tx, key: Key) -> KeyState:
        if key.budget_period is None:
            return KeyState(key, None)
        return KeyState(key, keys.spending(tx, key.id, period_of(key.budget_period, self._clock.now())))

    def _audit_difference(
        self, tx: Tx, action: str, before: Account | Key, after: Account | Key, said: Mapping[str, Any]
    ) -> None:
        """Records the fields of `said` that differ now; a change that changes nothing is none."""
        differing = [name for name in said if getattr(before, name) != getattr(after, name)]
        if differing:
            old, new = ({name: getattr(row, name) for name in differing} for row in (before, after))
            self._audit(tx, action, before.id, before=old, after=new)

    def _audit(
        self,
        tx: Tx,
        action: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Nothing that is given to this is a secret."""
        audit.record(tx, audit.Change(new_id("aud"), self._clock.now(), self._actor, action, subject, before, after))


def _account(tx: Tx, account_id: str, *, param: str | None = None) -> Account:
    found = accounts.get(tx, account_id)
    if found is None:
        raise NotFound(f"There is no account {account_id!r}.", param=param)
    return found


def _key(tx: Tx, key_id: str) -> Key:
    found = keys.get(tx, key_id)
    if found is None:
        raise NotFound(f"There is no key {key_id!r}.")
    return found


def _new_webhook_secret() -> str:
    """As Standard Webhooks wants it: `whsec_` and the base64 of 24 to 64 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
