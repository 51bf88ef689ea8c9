"""Which errors of PostgreSQL say that a transaction was undone and may succeed when it is tried again."""

from typing import Final

from sqlalchemy.exc import DBAPIError

TRIES_MAX: Final = 4

_ROLLED_BACK: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


def undone(error: DBAPIError) -> bool:
    """Whether another try is worth it; for an error that came before the commit began."""
    return disconnected(error) or getattr(error.orig, "sqlstate", None) in _ROLLED_BACK


def disconnected(error: Exception) -> bool:
    """Whether the connection is gone, and with it, all of a transaction whose commit had not begun."""
    return isinstance(error, DBAPIError) and error.connection_invalidated
