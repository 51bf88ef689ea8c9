"""Who may be called now: health, credentials and places of each vendor, as this process knows them.

What is known is kept per vendor name, so it survives a change of the catalog. A vendor that is down is down for all its
models; one model that draws nothing is left alone by itself.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.core.catalog import Target, Vendor
from app.core.clock import Clock
from app.core.tracing import Calling, unrecorded
from app.upstream.bulletin import OF_VENDOR, Bulletin, of_credential, of_model
from app.upstream.credentials import CredentialHealth, Credentials, credential_id
from app.upstream.health import Breaker, BreakerRules, BreakerState, Recent
from app.upstream.places import Places
from app.upstream.trial import RetryBudget, Seen, Trial, VendorState, Watched

RestReason = Literal["breaker_open", "probe_running", "credentials_cooling"]


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a target is fit for new work. `resting` None: it is, for `share` of its work; else why not.

    A share of 0: it has never delivered, and what it was asked for at first is still under way. `rest_s`: how long it
    rests yet, as far as is known.
    """

    resting: RestReason | None = None
    rest_s: float = 0.0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Health:
    """What this process has seen of a vendor, or of one model there, and what others told of its breaker.

    `overdue`: calls under way that are more than late.
    """

    breaker: BreakerState
    failures_in_row: int
    openings: int
    rest_s: float
    share: float
    overdue: int
    recent: Recent


@dataclass(frozen=True, slots=True)
class VendorHealth:
    """A vendor's health, its credentials and its places; and the health of each of its models that was asked for.

    `places`: how many of the vendor's this process may use now.
    """

    health: Health
    credentials: tuple[CredentialHealth, ...]
    places: int
    in_use: int
    waiting: int
    targets: Mapping[str, Health]

    @property
    def credentials_ready(self) -> int:
        """How many of the credentials are not cooling down."""
        return sum(not one.rest_s for one in self.credentials)


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
        bulletin: Bulletin | None = None,
        short: Callable[[], None] | None = None,
    ) -> None:
        """`seen` is told what came of every piece of work, `calling` that one begins at its vendor.

        `bulletin` gathers what other processes are to know. `short` is called when there are too few places: they are
        granted from outside then; without it, all of a vendor's concurrency is this process's.
        """
        self._clock = clock
        self._seen = seen
        self._calling = calling
        self._rng = rng
        self._rules = rules or BreakerRules()
        self._bulletin = bulletin or Bulletin()
        self._short = short
        self._states: dict[str, VendorState] = {}
        self._budget = RetryBudget()

    def standing(self, target: Target) -> Standing:
        """Whether the target is better left alone now."""
        now = self._clock.monotonic()
        state, model = self._known(target)
        breakers = (state.watched.breaker, model.breaker)
        for began in model.pace.overdue(now):
            for breaker in breakers:
                breaker.failed(began=began, probe=False, now=now)
        if any(breaker.rests(now) for breaker in breakers):
            rest_s = max(breaker.rest_s(now) for breaker in breakers)
            return Standing("breaker_open" if rest_s else "probe_running", rest_s)
        if (rest_s := state.credentials.rest_s(target.vendor.api_keys, now)) > 0:
            return Standing("credentials_cooling", rest_s)
        if model.pace.unproven(now):
            return Standing(share=0.0)
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
            health=_health(state.watched, now, overdue=sum(one.pace.late for one in state.targets.values())),
            credentials=state.credentials.health(vendor.api_keys, now),
            places=state.places.granted,
            in_use=state.places.in_use,
            waiting=state.places.waiting,
            targets={model: _health(one, now, overdue=one.pace.late) for model, one in state.targets.items()},
        )

    def places(self) -> dict[str, Places]:
        """The places of every vendor that was ever called, by its name."""
        return {name: state.places for name, state in self._states.items()}

    def watched(self, vendor: Vendor, model: str | None = None) -> Watched:
        """What is known of a vendor, or of a model there."""
        state = self._state(vendor)
        return state.watched if model is None else self._model(state, vendor.name, model)

    def models(self, vendor: Vendor) -> tuple[str, ...]:
        """The models that were ever asked for at a vendor."""
        return tuple(self._state(vendor).targets)

    def credentials(self, vendor: Vendor) -> Credentials:
        """The credentials of a vendor."""
        return self._state(vendor).credentials

    def _known(self, target: Target) -> tuple[VendorState, Watched]:
        state = self._state(target.vendor)
        return state, self._model(state, target.vendor.name, target.model)

    def _model(self, state: VendorState, vendor: str, model: str) -> Watched:
        watched = state.targets.get(model)
        if watched is None:
            watched = state.targets[model] = self._watch(vendor, of_model(model))
        return watched

    def _watch(self, vendor: str, subject: str) -> Watched:
        return Watched(Breaker(self._rules, self._rng, lambda: self._bulletin.add(vendor, subject)))

    def _state(self, vendor: Vendor) -> VendorState:
        state = self._states.get(vendor.name)
        if state is None:
            state = self._states[vendor.name] = self._first_state(vendor)
        elif state.concurrency != vendor.concurrency:
            state.concurrency = vendor.concurrency
            own = vendor.concurrency if self._short is None else min(state.places.granted, vendor.concurrency)
            state.places.limit = vendor.concurrency
            state.places.grant(own)
        return state

    def _first_state(self, vendor: Vendor) -> VendorState:
        name, granted = vendor.name, vendor.concurrency
        places = Places(granted) if self._short is None else Places(0, self._short)
        places.limit = granted
        credentials = Credentials(lambda key: self._bulletin.add(name, of_credential(credential_id(key))))
        return VendorState(self._watch(name, OF_VENDOR), places, granted, credentials)


def _health(watched: Watched, now: float, *, overdue: int) -> Health:
    breaker = watched.breaker
    return Health(
        breaker=breaker.state(now),
        failures_in_row=breaker.failures,
        openings=breaker.openings,
        rest_s=breaker.rest_s(now),
        share=breaker.share(now),
        overdue=overdue,
        recent=watched.sights.recent(now),
    )
