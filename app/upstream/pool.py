"""Who may be called now: credentials in turn, how many calls at once, and which vendors to leave alone for a while.

State is per vendor name, so it survives a change of the catalog.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from app.core.catalog import Vendor
from app.core.clock import Clock
from app.core.exchange import Failure, VendorFailure

BREAK_AFTER: Final = 5
"""Consecutive failures that open the breaker (fault-cases section 5)."""
BREAK_S: Final = 30.0
BREAK_S_MAX: Final = 300.0
COOL_DOWN_S: Final = 30.0
RETRY_AFTER_S_MAX: Final = 60.0

_OF_ONE_CREDENTIAL: Final = frozenset({Failure.RATE_LIMITED, Failure.UNAUTHORIZED, Failure.OUT_OF_FUNDS})
_NOT_THE_VENDORS_FAULT: Final = frozenset({Failure.REJECTED, Failure.MODERATED})


@dataclass(slots=True)
class _State:
    slots: asyncio.Semaphore
    concurrency: int
    turn: int = 0
    cooled_until: dict[str, float] = field(default_factory=dict)
    failures: int = 0
    opened: int = 0
    open_until: float = 0.0


class Loan:
    """A credential and a place in the vendor's concurrency, for one exchange. Only the first verb counts."""

    __slots__ = ("_ended", "_pool", "_state", "key")

    def __init__(self, key: str, state: _State, pool: "VendorPool") -> None:
        self.key = key
        self._state = state
        self._pool = pool
        self._ended = False

    def succeeded(self) -> None:
        """The vendor answered: it is in health."""
        if not self._ended:
            self._state.failures = self._state.opened = 0
            self._state.open_until = 0.0
            self.give_back()

    def failed(self, failure: VendorFailure) -> None:
        """The vendor failed."""
        if not self._ended:
            self._pool.note(self._state, self.key, failure)
            self.give_back()

    def give_back(self) -> None:
        """Nothing is known of the vendor's health."""
        if not self._ended:
            self._ended = True
            self._state.slots.release()


class VendorPool:
    """Credentials, concurrency and a breaker for each vendor, in this process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._states: dict[str, _State] = {}

    def resting(self, vendor: Vendor) -> bool:
        """Whether the vendor is better left alone now: its breaker is open, or all its credentials are cooling down."""
        state, now = self._state(vendor), self._clock.monotonic()
        if state.open_until > now:
            return True
        return bool(vendor.api_keys) and all(state.cooled_until.get(key, 0.0) > now for key in vendor.api_keys)

    @asynccontextmanager
    async def credential(self, vendor: Vendor) -> AsyncIterator[str]:
        """A credential for one exchange, within the vendor's concurrency. What the exchange raises counts for its
        health.
        """
        loan = await self.borrow(vendor)
        try:
            yield loan.key
        except VendorFailure as failure:
            loan.failed(failure)
            raise
        except BaseException:
            loan.give_back()
            raise
        loan.succeeded()

    async def borrow(self, vendor: Vendor) -> "Loan":
        """The same for who cannot wrap the exchange in a block: to be ended by one of the loan's verbs."""
        state = self._state(vendor)
        await state.slots.acquire()
        return Loan(self._pick(vendor, state), state, self)

    def _state(self, vendor: Vendor) -> _State:
        state = self._states.get(vendor.name)
        if state is None or state.concurrency != vendor.concurrency:
            fresh = _State(asyncio.Semaphore(vendor.concurrency), vendor.concurrency)
            if state is not None:
                fresh.cooled_until, fresh.failures, fresh.open_until = (
                    state.cooled_until,
                    state.failures,
                    state.open_until,
                )
            state = self._states[vendor.name] = fresh
        return state

    def _pick(self, vendor: Vendor, state: _State) -> str:
        """The next credential in turn that is not cooling down; when all are, the one that is ready first."""
        now, keys = self._clock.monotonic(), vendor.api_keys
        state.turn += 1
        in_turn = [keys[(state.turn + offset) % len(keys)] for offset in range(len(keys))]
        ready = [key for key in in_turn if state.cooled_until.get(key, 0.0) <= now]
        return ready[0] if ready else min(in_turn, key=lambda key: state.cooled_until[key])

    def note(self, state: _State, key: str, failure: VendorFailure) -> None:
        """Counts a failure for the health of the vendor, or of one of its credentials."""
        now = self._clock.monotonic()
        if failure.failure in _NOT_THE_VENDORS_FAULT:
            return
        if failure.failure in _OF_ONE_CREDENTIAL:
            wait = min(max(failure.retry_after_s or COOL_DOWN_S, 1.0), RETRY_AFTER_S_MAX)
            state.cooled_until[key] = now + wait
            return
        state.failures += 1
        if state.failures >= BREAK_AFTER:
            state.opened += 1
            state.failures = 0
            state.open_until = now + min(BREAK_S * state.opened, BREAK_S_MAX)
