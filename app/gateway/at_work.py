"""How many text requests of a key are at work in this process, where the key has a limit (`concurrency`).

Pictures are counted exactly, in the database, with the transaction that admits them. Text is counted here: another
count there would be another row that every request of a key waits for. So each process allows a key its whole limit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.core.errors import RateLimited
from app.gateway.caller import Caller

RETRY_AFTER_S: Final = 1.0


class KeysAtWork:
    """Counts keys' requests until they are answered, whether their clients wait or have left."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """A place for one request of the key. Raises: RateLimited (concurrency_limit_exceeded)."""
        allowed = caller.key.concurrency
        if allowed is None:
            yield
            return
        key_id = caller.key.id
        count = self._count.get(key_id, 0)
        if count >= allowed:
            raise RateLimited(
                f"This key has {count} requests at work; at most {allowed} are allowed at once.",
                code="concurrency_limit_exceeded",
                retry_after_s=RETRY_AFTER_S,
            )
        self._count[key_id] = count + 1
        try:
            yield
        finally:
            left = self._count.pop(key_id) - 1
            if left:
                self._count[key_id] = left
