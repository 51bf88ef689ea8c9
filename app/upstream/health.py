"""Whether something that is called is better left alone: a breaker with probes and a slow start, and what was seen
lately. Not who is called: times are handed in, and nothing here waits.
"""

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

BreakerState = Literal["closed", "open", "half_open"]
Sight = Literal["delivered", "wrong", "failed", "refused"]
"""What came of a piece of work: what was asked, a picture of another shape, nothing although it was taken, or a
refusal to take it."""

WINDOW_S: Final = 600.0
WINDOW_SIGHTS: Final = 500


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and for how long (fault-cases section 5). Durations are seconds.

    `failures` in a row open it for `open_s`, the n-th time for n times that, `open_s_max` at most, and up to a third of
    `open_s` more by chance, `jitter_s_max` at most. After it has closed, the share of work grows over `ramp_s`.
    """

    failures: int = 5
    open_s: float = 30.0
    open_s_max: float = 300.0
    jitter_s_max: float = 10.0
    ramp_s: float = 60.0


RAMP_FROM: Final = 0.1
"""The share of its work that something gets at first when it is back."""


class Breaker:
    """Closed: work goes there. Open: none does, unless it must. Half open: one piece of work at a time finds out."""

    __slots__ = (
        "_changed",
        "_failures",
        "_opened_at",
        "_openings",
        "_probing",
        "_recovered_at",
        "_rng",
        "_rules",
        "_until",
    )

    def __init__(self, rules: BreakerRules, rng: random.Random, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called when it opens, closes or probes by what was seen here."""
        self._rules = rules
        self._rng = rng
        self._changed = changed
        self._failures = 0
        self._openings = 0
        self._opened_at = 0.0
        self._until: float | None = None
        self._probing = False
        self._recovered_at = -math.inf

    @property
    def failures(self) -> int:
        """How many failures in a row were counted since the last success."""
        return self._failures

    @property
    def openings(self) -> int:
        """How many times in succession it has opened."""
        return self._openings

    def state(self, now: float) -> BreakerState:
        """What it is at this moment."""
        if self._until is None:
            return "closed"
        return "open" if now < self._until else "half_open"

    def rests(self, now: float) -> bool:
        """Whether new work that can go elsewhere should."""
        return self._until is not None and (now < self._until or self._probing)

    def rest_s(self, now: float) -> float:
        """How long it will be open yet; 0 when it is not."""
        return 0.0 if self._until is None else max(self._until - now, 0.0)

    def share(self, now: float) -> float:
        """Which share of its work it should get, above 0, at most 1: less when it has just come back."""
        since_s = now - self._recovered_at
        return 1.0 if since_s >= self._rules.ramp_s else max(since_s / self._rules.ramp_s, RAMP_FROM)

    def begin(self, now: float) -> bool:
        """Notes that work goes there; true when it is the probe, whose end is to be told."""
        if self._probing or self.state(now) != "half_open":
            return False
        self._probing = True
        self._changed()
        return True

    def succeeded(self, *, began: float, probe: bool, now: float) -> None:
        """The work that began then came to a good end."""
        if self._until is None:
            self._failures = 0
        elif probe or began >= self._opened_at:
            self._until, self._failures, self._probing = None, 0, False
            self._recovered_at = now
            self._changed()
        # What was begun before it opened proves nothing about now.

    def failed(self, *, began: float, probe: bool, now: float) -> None:
        """The work that began then failed. What was under way when it opened does not count again."""
        if probe:
            self._probing = False
            self._open(now)
        elif self._until is None and began >= self._recovered_at:
            self._failures += 1
            if self._failures >= self._rules.failures:
                self._open(now)

    def told_nothing(self, *, probe: bool) -> None:
        """The work ended without proving anything."""
        if probe:
            self._probing = False
            self._changed()

    def news(self, now: float) -> "News":
        """What other processes are to know of it."""
        if self._until is None:
            return News("closed", self._openings, 0.0)
        return News("probing" if self._probing else "open", self._openings, self.rest_s(now))

    def heard(self, news: "News", *, ago_s: float, now: float) -> None:
        """Another process has seen this `ago_s` seconds ago. What this one is finding out itself goes on."""
        if news.state == "closed":
            if self._until is not None or ago_s < self._rules.ramp_s:
                self._recovered_at = max(self._recovered_at, now - ago_s)
            self._until, self._failures, self._probing = None, 0, False
            return
        rest_s = news.rest_s if news.state == "open" else PROBE_S - ago_s
        if self._until is None:
            self._opened_at = now
        self._until = max(self._until or now, now + rest_s)
        self._openings = max(self._openings, news.openings)
        self._failures = self._rules.failures

    def _open(self, now: float) -> None:
        rules = self._rules
        if self._until is None and now - self._recovered_at > rules.open_s_max:
            self._openings = 0  # It was well for long: whoever flaps is set aside for longer each time.
        self._openings += 1
        self._opened_at = now
        jitter_s = self._rng.uniform(0.0, min(rules.jitter_s_max, rules.open_s / 3))
        self._until = now + min(rules.open_s * self._openings, rules.open_s_max) + jitter_s
        self._changed()


@dataclass(frozen=True, slots=True)
class News:
    """A breaker as one process tells it to the others: it rests for `rest_s`, or somebody is finding out."""

    state: Literal["closed", "open", "probing"]
    openings: int
    rest_s: float


PROBE_S: Final = 30.0
"""How long other processes leave finding out to the one that began; then they try themselves."""


@dataclass(frozen=True, slots=True)
class Recent:
    """What was seen within the window. Rates are None where nothing was seen; latencies are of what was delivered.

    `error_rate`: of all work, what ended badly. `delivered_rate`: of the work that was taken, what came out as asked.
    `wrong_rate`: of what came out, what was of another ratio or tier.
    """

    seen: int
    error_rate: float | None
    delivered_rate: float | None
    wrong_rate: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None


class Sights:
    """The last pieces of work: at most `WINDOW_SIGHTS`, none older than `WINDOW_S`."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Sight, float]] = deque(maxlen=WINDOW_SIGHTS)

    def add(self, sight: Sight, *, seconds: float, now: float) -> None:
        """One piece of work has ended after so many seconds."""
        self._seen.append((now, sight, seconds))

    def recent(self, now: float) -> Recent:
        """The window's sums."""
        took_s = self._took_s(now)
        sights = [sight for _, sight, _ in self._seen]
        good = sights.count("delivered")
        return Recent(
            seen=len(sights),
            error_rate=_share(len(sights) - good, len(sights)),
            delivered_rate=_share(good, len(sights) - sights.count("refused")),
            wrong_rate=_share(sights.count("wrong"), len(took_s)),
            latency_p50_s=_quantile(took_s, 0.5),
            latency_p95_s=_quantile(took_s, 0.95),
            latency_p99_s=_quantile(took_s, 0.99),
        )

    def usual_s(self, now: float, *, at_least: int) -> float | None:
        """What all but one in a hundred deliveries of the window took; None where there were not enough."""
        took_s = self._took_s(now)
        return _quantile(took_s, 0.99) if len(took_s) >= at_least else None

    def _took_s(self, now: float) -> list[float]:
        """How long each delivery of the window took, in order."""
        while self._seen and self._seen[0][0] <= now - WINDOW_S:
            self._seen.popleft()
        return sorted(seconds for _, sight, seconds in self._seen if sight in ("delivered", "wrong"))


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _quantile(ordered: list[float], quantile: float) -> float | None:
    return ordered[min(int(quantile * len(ordered)), len(ordered) - 1)] if ordered else None
