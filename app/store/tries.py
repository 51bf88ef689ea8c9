"""Which errors of PostgreSQL say that a transaction was undone and may succeed when it is tried again."""

from typing import Final

from sqlalchemy.exc import DBAPIError, InternalError

TRIES_MAX: Final = 4

_ROLLED_BACK: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected


def undone(error: DBAPIError) -> bool:
    """Whether another try is worth it; for an error that came before the commit began."""
    return disconnected(error) or sqlstate(error) in _ROLLED_BACK


def disconnected(error: Exception) -> bool:
    """Whether the connection is gone, and with it, all of a transaction whose commit had not begun.

    asyncpg calls it an internal error, without a state of the server's, when the end comes between two statements.
    """
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or (isinstance(error, InternalError) and sqlstate(error) is None)


def sqlstate(error: DBAPIError) -> str | None:
    """PostgreSQL's five-character code of an error; None: it is the driver's own."""
    code: str | None = getattr(error.orig, "sqlstate", None)
    return code
