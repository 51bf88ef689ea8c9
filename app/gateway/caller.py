"""Who is calling: a key and its account, and how a secret is told to be one."""

import hashlib
import hmac
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from app.core.catalog import Model, match_key
from app.core.clock import Clock
from app.core.errors import PermissionDenied, Unauthenticated
from app.store import keys
from app.store.accounts import Account
from app.store.database import Database
from app.store.keys import Key
from app.store.ledger import KeyBudget

CACHE_S: Final = 4.0
"""How long a key is believed without asking the database: a revocation is effective on every replica within this."""
CACHE_KEYS_MAX: Final = 10_000
SECRET_CHARS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated key with its account, as they stood a few seconds ago at most."""

    key: Key
    account: Account

    @property
    def budget(self) -> KeyBudget:
        """What the ledger needs to know of the key."""
        return KeyBudget(self.key.id, self.key.budget_units, self.key.budget_period)

    def may_use(self, model: Model) -> bool:
        """Whether the key's list has this model, by id, alias or family; no list means all."""
        if self.key.models is None:
            return True
        names = {match_key(name) for name in (model.id, *model.aliases, *([model.family] if model.family else []))}
        return any(match_key(allowed) in names for allowed in self.key.models)

    def demand(self, model: Model) -> None:
        """Raises: PermissionDenied (model_not_allowed)."""
        if not self.may_use(model):
            raise PermissionDenied(f"This key may not use the model {model.id!r}.", param="model")


class KeyHasher:
    """Turns a key's secret into what is stored and looked up: HMAC-SHA256, so that the table alone opens nothing."""

    def __init__(self, secret_key: str) -> None:
        key = hmac.digest(secret_key.encode(), b"oneshape client keys v1", hashlib.sha256)
        self._keyed = hmac.new(key, digestmod=hashlib.sha256)  # OpenSSL looks the algorithm up anew for each new one

    def hash(self, secret: str) -> str:
        """The hash in hex."""
        hashing = self._keyed.copy()
        hashing.update(secret.encode("utf-8", "surrogatepass"))
        return hashing.hexdigest()


class Callers:
    """Authenticates clients."""

    def __init__(self, database: Database, hasher: KeyHasher, *, clock: Clock) -> None:
        self._database = database
        self._hasher = hasher
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    async def authenticate(self, secret: str | None) -> Caller:
        """The caller behind a secret.

        Raises:
            Unauthenticated: none was sent (missing_api_key), it is unknown or revoked (invalid_api_key), or it has
            expired. PermissionDenied: the account is disabled.
        """
        if not secret:
            raise Unauthenticated(
                "An API key is needed: send it as 'Authorization: Bearer sk-…'.", code="missing_api_key"
            )
        if len(secret) > SECRET_CHARS_MAX:
            raise _invalid()
        caller = await self._find(self._hasher.hash(secret))
        if caller is None or caller.key.revoked_at is not None:
            raise _invalid()
        if caller.key.expires_at is not None and caller.key.expires_at <= self._clock.now():
            raise Unauthenticated("This API key has expired.", code="expired_api_key")
        if caller.account.disabled:
            raise PermissionDenied("This account is disabled.", code="account_disabled")
        return caller

    async def _find(self, secret_hash: str) -> Caller | None:
        now = self._clock.monotonic()
        if (known := self._known.get(secret_hash)) is not None and known[0] > now:
            return known[1]
        found = await self._database.read(lambda tx: keys.find_by_hash(tx, secret_hash))
        if found is None:
            return None
        caller = Caller(*found)
        if caller.key.revoked_at is not None:
            return caller  # not remembered: it takes as long as one that never was (fault-cases A8)
        self._known[secret_hash] = (now + CACHE_S, caller)
        self._known.move_to_end(secret_hash)
        if len(self._known) > CACHE_KEYS_MAX:
            self._known.popitem(last=False)
        return caller


def _invalid() -> Unauthenticated:
    return Unauthenticated("The API key is not valid.")
