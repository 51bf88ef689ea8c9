"""A vendor's credentials: used in turn, and left alone one by one for a while after a refusal that is theirs."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app.core.exchange import Failure, VendorFailure

COOL_DOWN_S: Final = 30.0
COOL_DOWN_S_MAX: Final = 300.0
RETRY_AFTER_S: Final = (1.0, 60.0)
"""What a vendor may ask for with Retry-After: no less and no more is believed (fault-cases F79)."""

OF_ONE_CREDENTIAL: Final = frozenset({Failure.RATE_LIMITED, Failure.UNAUTHORIZED, Failure.OUT_OF_FUNDS})
"""Failures that say nothing of the vendor's other credentials."""


@lru_cache(maxsize=4096)
def credential_id(key: str) -> str:
    """What a credential is called where it must not be told: the same in every process."""
    return hashlib.sha256(b"vendor credential " + key.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class CredentialHealth:
    """How one credential is doing: 0 for `rest_s` means that it is in use."""

    id: str
    refusals: int
    rest_s: float


class Credentials:
    """Which credential is next. `cooled` is called with one that is left alone by what was seen here."""

    __slots__ = ("_cooled", "_cooled_until", "_refusals", "_turn")

    def __init__(self, cooled: Callable[[str], None] = lambda key: None) -> None:
        self._cooled = cooled
        self._turn = 0
        self._cooled_until: dict[str, float] = {}
        self._refusals: dict[str, int] = {}

    def pick(self, keys: Sequence[str], now: float) -> str:
        """The next of the keys in turn that is not cooling down; when all are, the one that is ready first."""
        self._turn += 1
        in_turn = [keys[(self._turn + offset) % len(keys)] for offset in range(len(keys))]
        return min(in_turn, key=lambda key: max(self._cooled_until.get(key, 0.0), now))

    def ready(self, keys: Sequence[str], now: float) -> int:
        """How many of the keys are not cooling down."""
        return sum(self._cooled_until.get(key, 0.0) <= now for key in keys)

    def rest_s(self, keys: Sequence[str], now: float) -> float:
        """How long all of the keys are cooling down yet; 0 when one is ready, or there is none."""
        return max(min((self._cooled_until.get(key, 0.0) for key in keys), default=0.0) - now, 0.0)

    def refused(self, key: str, failure: VendorFailure, now: float) -> None:
        """The vendor refused this key: it cools down for as long as the vendor says, or longer each time."""
        if failure.failure not in OF_ONE_CREDENTIAL:
            return
        refusals = self._refusals[key] = self._refusals.get(key, 0) + 1
        if failure.retry_after_s is not None:
            least, most = RETRY_AFTER_S
            wait_s = min(max(failure.retry_after_s, least), most)
        else:
            most = RETRY_AFTER_S[1] if failure.failure is Failure.RATE_LIMITED else COOL_DOWN_S_MAX
            wait_s = min(COOL_DOWN_S * refusals, most)
        self._cooled_until[key] = now + wait_s
        self._cooled(key)

    def heard(self, key: str, *, rest_s: float, refusals: int, now: float) -> None:
        """Another process was refused with this key, which is better left alone for so long."""
        self._cooled_until[key] = max(self._cooled_until.get(key, 0.0), now + rest_s)
        self._refusals[key] = max(self._refusals.get(key, 0), refusals)

    def health(self, keys: Sequence[str], now: float) -> tuple[CredentialHealth, ...]:
        """Each of the keys, in order."""
        return tuple(
            CredentialHealth(
                credential_id(key), self._refusals.get(key, 0), max(self._cooled_until.get(key, 0.0) - now, 0.0)
            )
            for key in keys
        )

    def accepted(self, key: str) -> None:
        """The vendor took work under this key."""
        if self._refusals:
            self._refusals.pop(key, None)
