"""One piece of work at one target: it is lent a credential and a place, and what came of it is told to the health of
both vendor and model.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from app.core.catalog import Target
from app.core.clock import Clock
from app.core.exchange import Failure, VendorFailure
from app.core.tracing import UNRECORDED, Calling, VendorSpan, unrecorded
from app.upstream.credentials import OF_ONE_CREDENTIAL, Credentials
from app.upstream.health import Breaker, Sight, Sights
from app.upstream.pace import Pace
from app.upstream.places import Places

POOL_WAIT_S: Final = 2.0
"""How long work that could go elsewhere waits for a place (fault-cases section 5)."""
RETRY_SHARE: Final = 0.2
RETRIES_MIN: Final = 3
"""Of the work at hand, how much may be second tries: so many always, and beyond that this share."""

Seen = Callable[[str, str, float], None]
"""Is told what came of each piece of work that a vendor was called for: vendor, outcome and seconds."""

_NOBODYS_FAULT: Final = frozenset({Failure.REJECTED, Failure.MODERATED})
_OF_THE_VENDOR: Final = frozenset(
    {
        Failure.UNAVAILABLE,
        Failure.UNREACHABLE,
        Failure.FAILED,
        Failure.UNREADABLE,
        Failure.CUT,
        Failure.TIMED_OUT,
    }
)
"""Failures that speak of all of a vendor's models; the others speak of the one that was asked."""


@dataclass(slots=True)
class Watched:
    """The health of a vendor, or of one model there. `pace` is the model's: how long it usually takes."""

    breaker: Breaker
    sights: Sights = field(default_factory=Sights)
    pace: Pace = field(init=False)

    def __post_init__(self) -> None:
        self.pace = Pace(self.sights)


@dataclass(slots=True)
class VendorState:
    """All that is known of one vendor. `concurrency` is that of all processes, `places` are this one's."""

    watched: Watched
    places: Places
    concurrency: int
    credentials: Credentials
    targets: dict[str, Watched] = field(default_factory=dict)


class RetryBudget:
    """How much of the work at hand is a second try: vendors that refuse are not asked for much more than we are."""

    __slots__ = ("_retrying", "_running")

    def __init__(self) -> None:
        self._running = 0
        self._retrying = 0

    @property
    def spent(self) -> bool:
        """Whether there may be no other second try now."""
        return self._retrying >= max(RETRIES_MIN, RETRY_SHARE * self._running)

    def begin(self, *, retry: bool) -> None:
        """Work begins."""
        self._running += 1
        self._retrying += retry

    def end(self, *, retry: bool) -> None:
        """Work is over."""
        self._running -= 1
        self._retrying -= retry


class Trial:
    """Work at a target, from now until it is known what came of it. Only the first outcome counts.

    Use it as a context: what is left without an outcome has proved nothing. `retry`: a vendor was called for this work
    before; `last`: it can go nowhere else.
    """

    __slots__ = (
        "_began",
        "_budget",
        "_calling",
        "_clock",
        "_ended",
        "_key",
        "_last",
        "_model",
        "_number",
        "_placed",
        "_probes",
        "_retry",
        "_seen",
        "_state",
        "_target",
        "span",
    )

    def __init__(
        self,
        target: Target,
        state: VendorState,
        model: Watched,
        budget: RetryBudget,
        clock: Clock,
        *,
        retry: bool,
        last: bool,
        seen: Seen,
        calling: Calling = unrecorded,
    ) -> None:
        self._target = target
        self._state = state
        self._budget = budget
        self._clock = clock
        self._retry = retry
        self._last = last
        self._seen = seen
        self._calling = calling
        self.span: VendorSpan = UNRECORDED
        """What is recorded of it, once its vendor is called."""
        self._key: str | None = None
        self._model = model
        self._number = 0
        self._placed = False
        self._ended = False
        self._began = now = clock.monotonic()
        self._probes = tuple((watched, watched.breaker.begin(now)) for watched in (state.watched, model))
        budget.begin(retry=retry)

    @property
    def called(self) -> bool:
        """Whether a credential was lent, so that the vendor was or may have been asked."""
        return self._key is not None

    async def take(self, *, within_s: float) -> str:
        """A credential, and one of the vendor's places until the trial ends or gives it back.

        Raises: VendorFailure (unavailable), which counts for nobody: there was no place in time, or the vendor is to be
        left alone since this waits. Work that can go elsewhere waits for `POOL_WAIT_S` only.
        """
        state = self._state
        await self._wait(within_s if self._last else min(within_s, POOL_WAIT_S))
        now = self._clock.monotonic()
        if self._may_go_elsewhere and any(one.breaker.rests(now) and not probe for one, probe in self._probes):
            self.give_place_back()
            raise VendorFailure(Failure.UNAVAILABLE, "left alone since this waited for a place")
        if self._key is None:
            self._began = now
            self._number = self._model.pace.begin(now)
            self.span = self._calling(self._target)
        self._key = state.credentials.pick(self._target.vendor.api_keys, now)
        return self._key

    def give_place_back(self) -> None:
        """The vendor's place is free; what came of the work is still to be told."""
        if self._placed:
            self._placed = False
            self._state.places.give_back()

    def answering(self) -> None:
        """The vendor's answer has begun: however long it goes on, the vendor is not silent."""
        self._model.pace.end(self._number)

    @asynccontextmanager
    async def credential(self, *, within_s: float) -> AsyncIterator[str]:
        """`take` for one exchange; what came of the work is told later."""
        try:
            yield await self.take(within_s=within_s)
        finally:
            self.give_place_back()

    def delivered(self, *, as_asked: bool = True) -> None:
        """The vendor delivered. What is not as asked, such as a picture of another shape, is the model's failure."""
        if not self._ended:
            if self._key is not None:
                self._state.credentials.accepted(self._key)
            sight: Sight = "delivered" if as_asked else "wrong"
            self._tell(sight)
            self._note(sight, vendor_well=True)
            self.close()

    def failed(self, failure: VendorFailure) -> None:
        """The vendor failed. What failed before it was called, or is nobody's fault, does not count."""
        kind = failure.failure
        if not self._ended and self._key is not None:
            self._tell(kind.value, failure.status)
        if not self._ended and self._key is not None and kind not in _NOBODYS_FAULT:
            self._state.credentials.refused(self._key, failure, self._clock.monotonic())
            sight: Sight = "refused" if kind.not_accepted else "failed"
            if kind in OF_ONE_CREDENTIAL:
                self._see(sight)
            else:
                self._note(sight, vendor_well=kind not in _OF_THE_VENDOR)
        self.close()

    def close(self) -> None:
        """Ends it; without an outcome, nothing is known."""
        self.give_place_back()
        if not self._ended:
            self._ended = True
            self.span.end("abandoned")
            self._model.pace.end(self._number)
            for watched, probe in self._probes:
                watched.breaker.told_nothing(probe=probe)
            self._budget.end(retry=self._retry)

    @property
    def _may_go_elsewhere(self) -> bool:
        return self._retry or not self._last

    def _tell(self, outcome: str, status: int | None = None) -> None:
        self.span.end(outcome, status=status)
        self._seen(self._target.vendor.name, outcome, self._clock.monotonic() - self._began)

    def _note(self, sight: Sight, *, vendor_well: bool) -> None:
        now, overdue = self._clock.monotonic(), self._model.pace.end(self._number)
        for (watched, probe), well in zip(self._probes, (vendor_well, sight == "delivered"), strict=True):
            if well:
                watched.breaker.succeeded(began=self._began, probe=probe, now=now)
            elif probe or not overdue:
                watched.breaker.failed(began=self._began, probe=probe, now=now)
        self._see(sight)
        self._probes = ()

    def _see(self, sight: Sight) -> None:
        now = self._clock.monotonic()
        for watched, _ in self._probes:
            watched.sights.add(sight, seconds=now - self._began, now=now)

    async def _wait(self, seconds: float) -> None:
        try:
            await self._state.places.take(within_s=seconds)
        except TimeoutError as error:
            raise VendorFailure(Failure.UNAVAILABLE, "no place at the vendor in time") from error
        self._placed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
