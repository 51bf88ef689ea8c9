"""What is under way at one model of a vendor, against how long it usually takes: who is silent is found out before its
calls time out, and who has never answered is asked for little at first.
"""

from typing import Final

from app.upstream.health import Sights

OVERDUE_FACTOR: Final = 2.0
OVERDUE_S_MIN: Final = 15.0
"""Work is overdue after so many times what all but one in a hundred took, and not before so many seconds."""
KNOWN_FROM: Final = 5
"""So many deliveries tell how long it usually takes."""
UNPROVEN_MAX: Final = 8
"""How much may be under way where nothing has been delivered yet, before other targets are asked first."""
FRESH_S: Final = 5.0
"""How long a computed usual time is kept: sorting for every request would cost more than it tells."""


class Pace:
    """Watches work by its number, which counts up as work begins."""

    __slots__ = ("_fresh_until", "_late", "_next", "_running", "_sights", "_usual_s")

    def __init__(self, sights: Sights) -> None:
        self._sights = sights
        self._running: dict[int, float] = {}
        self._late: set[int] = set()
        self._next = 0
        self._usual_s: float | None = None
        self._fresh_until = 0.0

    @property
    def late(self) -> int:
        """How much is under way that is overdue."""
        return len(self._late)

    def begin(self, now: float) -> int:
        """Work was sent; answers its number."""
        self._next += 1
        self._running[self._next] = now
        return self._next

    def end(self, number: int) -> bool:
        """It has an outcome, or an answer that has begun. Answers whether it was overdue, which counted already."""
        if self._running.pop(number, None) is None and number in self._late:
            self._late.remove(number)
            return True
        return False

    def told(self, usual_s: float) -> None:
        """What another process has seen; it counts where this one knows nothing."""
        if self._usual_s is None:
            self._usual_s = usual_s

    def usual_s(self, now: float) -> float | None:
        """What all but one in a hundred deliveries took when last there were some; None: nobody knows."""
        if now >= self._fresh_until:
            self._fresh_until = now + FRESH_S
            if (usual_s := self._sights.usual_s(now, at_least=KNOWN_FROM)) is not None:
                self._usual_s = usual_s
        return self._usual_s

    def unproven(self, now: float) -> bool:
        """Whether as much is under way as may be while nothing has come back."""
        return len(self._running) >= UNPROVEN_MAX and self.usual_s(now) is None

    def overdue(self, now: float) -> list[float]:
        """When the work began that is overdue now and was not told before."""
        if not self._running or (usual_s := self.usual_s(now)) is None:
            return []
        before = now - max(OVERDUE_FACTOR * usual_s, OVERDUE_S_MIN)
        late = []
        for number, began in self._running.items():
            if began > before:
                break
            late.append(number)
        self._late.update(late)
        return [self._running.pop(number) for number in late]
