"""Accounts, keys and money as operators change them; every change is audited in its own transaction."""

from app.core.clock import Clock
from app.gateway.caller import KeyHasher
from app.store.database import Database


class Accounts:
    """What an operator may do to accounts and keys. `actor` names who does it, for the audit."""

    def __init__(self, database: Database, hasher: KeyHasher, *, clock: Clock) -> None:
        self._database = database
        self._hasher = hasher
        self._clock = clock
