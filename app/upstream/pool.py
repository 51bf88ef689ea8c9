"""Who may be called now: health, credentials and places of each vendor, as this process knows them.

What is known is kept per vendor name, so it survives a change of the catalog. A vendor that is down is down for all its
models; one model that draws nothing is left alone by itself.
"""

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.core.catalog import Target, Vendor
from app.core.clock import Clock
from app.core.tracing import Calling, unrecorded
from app.upstream.health import Breaker, BreakerRules, BreakerState, Recent
from app.upstream.trial import RetryBudget, Seen, Trial, VendorState, Watched

RestReason = Literal["breaker_open", "probe_running", "credentials_cooling"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a target is fit for new work. `resting` None: it is, for `share` of its work; else why not.

    `rest_s`: how long it rests yet, as far as is known.
    """

    resting: RestReason | None = None
    rest_s: float = 0.0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """What this process has seen of a vendor, or of one model there."""

    breaker: BreakerState
    failures_in_row: int
    openings: int
    rest_s: float
    share: float
    recent: Recent


@dataclass(frozen=True, slots=True)
class VendorHealth:
    """A vendor's health, its credentials and its places; and the health of each of its models that was asked for."""

    health: Health
    credentials_ready: int
    in_use: int
    waiting: int
    targets: Mapping[str, Health]


class VendorPool:
    """What this process knows of each vendor, and work that begins there."""

    def __init__(
        self,
        clock: Clock,
        *,
        rng: random.Random,
        rules: BreakerRules | None = None,
        seen: Seen = lambda vendor, outcome, seconds: None,
        calling: Calling = unrecorded,
    ) -> None:
        """`seen` is told what came of every piece of work, `calling` that one begins at its vendor."""
        self._clock = clock
        self._seen = seen
        self._calling = calling
        self._rng = rng
        self._rules = rules or BreakerRules()
        self._states: dict[str, VendorState] = {}
        self._budget = RetryBudget()

    def standing(self, target: Target) -> Standing:
        """Whether the target is better left alone now."""
        now = self._clock.monotonic()
        state, model = self._known(target)
        breakers = (state.watched.breaker, model.breaker)
        if any(breaker.rests(now) for breaker in breakers):
            rest_s = max(breaker.rest_s(now) for breaker in breakers)
            return Standing("breaker_open" if rest_s else "probe_running", rest_s)
        if (rest_s := state.credentials.rest_s(target.vendor.api_keys, now)) > 0:
            return Standing("credentials_cooling", rest_s)
        return Standing(share=min(breaker.share(now) for breaker in breakers))

    def trial(self, target: Target, *, retry: bool, last: bool) -> Trial | None:
        """Begins work at the target; None when it is to be left alone. `retry`: a vendor was called for it before.

        `last`: it can go nowhere else. What has called nobody yet is then tried whatever the health is; a retry is made
        only within the budget.
        """
        now = self._clock.monotonic()
        state, model = self._known(target)
        if retry and self._budget.spent:
            return None
        if (retry or not last) and (state.watched.breaker.rests(now) or model.breaker.rests(now)):
            return None
        return Trial(
            target,
            state,
            model,
            self._budget,
            self._clock,
            retry=retry,
            last=last,
            seen=self._seen,
            calling=self._calling,
        )

    def health(self, vendor: Vendor) -> VendorHealth:
        """What was seen of the vendor."""
        state, now = self._state(vendor), self._clock.monotonic()
        return VendorHealth(
            health=_health(state.watched, now),
            credentials_ready=state.credentials.ready(vendor.api_keys, now),
            in_use=state.in_use,
            waiting=state.waiting,
            targets={model: _health(watched, now) for model, watched in state.targets.items()},
        )

    def _known(self, target: Target) -> tuple[VendorState, Watched]:
        state = self._state(target.vendor)
        model = state.targets.get(target.model)
        if model is None:
            model = state.targets[target.model] = Watched(Breaker(self._rules, self._rng))
        return state, model

    def _state(self, vendor: Vendor) -> VendorState:
        state = self._states.get(vendor.name)
        if state is None:
            watched = Watched(Breaker(self._rules, self._rng))
            state = VendorState(watched, asyncio.Semaphore(vendor.concurrency), vendor.concurrency)
            self._states[vendor.name] = state
        elif state.concurrency != vendor.concurrency:
            state.slots, state.concurrency = asyncio.Semaphore(vendor.concurrency), vendor.concurrency
        return state


def _health(watched: Watched, now: float) -> Health:
    breaker = watched.breaker
    return Health(
        breaker=breaker.state(now),
        failures_in_row=breaker.failures,
        openings=breaker.openings,
        rest_s=breaker.rest_s(now),
        share=breaker.share(now),
        recent=watched.sights.recent(now),
    )
