"""A vendor's credentials: used in turn, and left alone one by one for a while after a refusal that is theirs."""

from collections.abc import Sequence
from typing import Final

from app.core.exchange import Failure, VendorFailure

COOL_DOWN_S: Final = 30.0
COOL_DOWN_S_MAX: Final = 300.0
RETRY_AFTER_S: Final = (1.0, 60.0)
"""What a vendor may ask for with Retry-After: no less and no more is believed (fault-cases F79)."""

OF_ONE_CREDENTIAL: Final = frozenset({Failure.RATE_LIMITED, Failure.UNAUTHORIZED, Failure.OUT_OF_FUNDS})
"""Failures that say nothing of the vendor's other credentials."""


class Credentials:
    """Which credential is next."""

    __slots__ = ("_cooled_until", "_refusals", "_turn")

    def __init__(self) -> None:
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

    def accepted(self, key: str) -> None:
        """The vendor took work under this key."""
        if self._refusals:
            self._refusals.pop(key, None)
