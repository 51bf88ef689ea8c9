"""Asks vendors about work that they have accepted: each piece when its turn comes, however many there are (ADR 16).

What waits is a record in a heap: no coroutine, no request and no file. A piece that somebody looks at is asked for as
often as its vendor allows; all others share a number of polls a second, so that ten thousand cost no more than some.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from math import inf
from typing import Final, TypeVar

import structlog

from app.core.clock import Clock
from app.core.exchange import Failure, VendorFailure
from app.core.image import ImageResult, Pending
from app.core.tracing import PLACE
from app.gateway.progress import ProgressBoard
from app.gateway.waiting import Waiting
from app.media.spool import Spool, SpoolFolder
from app.upstream.client import VendorClient

log = structlog.get_logger(__name__)

T = TypeVar("T")

LOOK_S: Final = 0.05
"""How often it is looked for what is due."""
PER_S: Final = 2000.0
"""So many polls a second are for what nobody looks at, of all vendors together: about a quarter of a core (ADR 16)."""
LOOKED_AT_S: Final = 5.0
"""Whoever has looked at a task is thought to look again within this."""
AT_ONCE: Final = 256
"""Polls at one vendor, with what follows from them: one that hangs keeps only itself waiting, and memory is bounded."""
UNREADABLE_MAX: Final = 5
"""Polls in a row that answer well and say nothing readable, before the work is given up."""
TOO_SLOW: Final = "not done within the vendor's time or the task's"

_WORTH_ASKING_AGAIN: Final = frozenset(
    {
        Failure.RATE_LIMITED,
        Failure.UNAUTHORIZED,
        Failure.UNAVAILABLE,
        Failure.UNREACHABLE,
        Failure.CUT,
        Failure.TIMED_OUT,
    }
)
"""Asking about accepted work costs nothing, so these end nothing while there is time."""

Answer = ImageResult | Exception
"""The pictures, a VendorFailure that is final, or what went wrong on our side."""
Then = Callable[[Waiting, Answer, SpoolFolder], Awaitable[T]]
"""Is told what came of it. The folder has the answer's pictures and is released when this is done."""


@dataclass(slots=True, eq=False)
class _Entry:
    """A piece of work in a line. `pending`: what was said last; `due`: when it is asked for next, whatever else the
    heap says of it; `looked_at`: when last, or `inf`: somebody waits for it all the time.
    """

    waiting: Waiting
    then: Then[None]
    pending: Pending
    looked_at: float
    asked_at: float
    due: float = inf
    unreadable: int = 0


@dataclass(slots=True)
class _Line:
    """What waits at one vendor."""

    heap: list[tuple[float, int, _Entry]] = field(default_factory=list)
    busy: int = 0


class Polls:
    """Everything that this process waits for at vendors. Looks for what is due as long as there is something."""

    def __init__(
        self,
        *,
        clock: Clock,
        client: VendorClient,
        progress: ProgressBoard,
        spool: Spool,
        per_s: float = PER_S,
        at_once: int = AT_ONCE,
    ) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._clock = clock
        self._client = client
        self._progress = progress
        self._spool = spool
        self._lines: dict[str, _Line] = {}
        self._of_task: dict[str, tuple[_Entry, ...]] = {}
        self._numbers = count()
        self._asking: set[asyncio.Task[None]] = set()
        self._looking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many tasks are waited for."""
        return len(self._of_task)

    def add(self, waiting: Waiting, then: Then[None], *, looked_at: bool = False) -> None:
        """From now on it is asked for, until it is answered, too late, or removed. `looked_at`: all the time."""
        now = self._clock.monotonic()
        entry = _Entry(waiting, then, waiting.pending, inf if looked_at else -inf, now)
        self._of_task[waiting.task_id] = (*self._of_task.get(waiting.task_id, ()), entry)
        self._put(entry, now)
        if self._looking is None:  # in a context of its own: what waits has nothing in common
            self._looking = asyncio.get_running_loop().create_task(self._look(), name="polls", context=Context())

    def remove(self, waiting: Waiting) -> None:
        """It is no longer asked for, and nobody is told. Safe to repeat."""
        left = []
        for entry in self._of_task.pop(waiting.task_id, ()):
            if entry.waiting is waiting:
                entry.due = inf
            else:
                left.append(entry)
        if left:
            self._of_task[waiting.task_id] = tuple(left)

    def look(self, task_id: str) -> None:
        """Somebody looks at this task now: what it waits for is asked for as soon as its vendor allows."""
        now = self._clock.monotonic()
        for entry in self._of_task.get(task_id, ()):
            entry.looked_at = max(entry.looked_at, now)
            if entry.due < inf and entry.due > (due := max(entry.asked_at + entry.pending.poll_after_s, now)):
                self._put_at(entry, due)

    async def answer(self, waiting: Waiting, then: Then[T]) -> T:
        """What `then` makes of what comes of it. Somebody waits."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        async def told(waiting: Waiting, answer: Answer, folder: SpoolFolder) -> None:
            try:
                taken = await then(waiting, answer, folder)
            except Exception as error:  # noqa: BLE001 -- whoever waits is told
                if not done.done():
                    done.set_exception(error)
            else:
                if not done.done():
                    done.set_result(taken)

        self.add(waiting, told, looked_at=True)
        try:
            return await done
        finally:
            self.remove(waiting)

    async def _look(self) -> None:
        try:
            while self._of_task:
                await self._clock.sleep(LOOK_S)
                now = self._clock.monotonic()
                for line in self._lines.values():
                    self._begin_due(line, now)
        finally:
            self._looking = None

    def _begin_due(self, line: _Line, now: float) -> None:
        while line.busy < self._at_once and line.heap and line.heap[0][0] <= now:
            due, _, entry = heappop(line.heap)
            if due == entry.due:
                entry.due, entry.asked_at = inf, now
                line.busy += 1
                asking = asyncio.create_task(self._ask(entry, line))
                self._asking.add(asking)
                asking.add_done_callback(self._asked)

    def _asked(self, asking: "asyncio.Task[None]") -> None:
        self._asking.discard(asking)
        if not asking.cancelled() and (bug := asking.exception()) is not None:
            log.error("poll.broken", exc_info=bug)

    async def _ask(self, entry: _Entry, line: _Line) -> None:
        waiting, folder = entry.waiting, self._spool.folder()
        PLACE.set(waiting.place)
        try:
            answer = await self._answer(entry, folder)
            if entry not in self._of_task.get(waiting.task_id, ()):
                return  # it was removed meanwhile
            if answer is None:
                self._put(entry, self._clock.monotonic())
            else:
                self.remove(waiting)
                await entry.then(waiting, answer, folder)
        finally:
            line.busy -= 1
            await folder.release()

    async def _answer(self, entry: _Entry, folder: SpoolFolder) -> Answer | None:
        """What a poll says; None: nothing that is final. Raises nothing."""
        waiting = entry.waiting
        if (left_s := waiting.until - self._clock.monotonic()) <= 0:
            return VendorFailure(Failure.TIMED_OUT, TOO_SLOW)
        try:
            async with asyncio.timeout(left_s):
                outcome = await self._poll(waiting, folder, waiting.credential)
        except TimeoutError:
            return VendorFailure(Failure.TIMED_OUT, TOO_SLOW)
        except VendorFailure as failure:
            entry.unreadable = entry.unreadable + 1 if failure.failure is Failure.UNREADABLE else 0
            if not _worth_asking_again(failure, entry.unreadable):
                return VendorFailure(_final(failure.failure), failure.detail, status=failure.status)
            log.info("poll.failed", task_id=waiting.task_id, failure=failure.failure.value)
            return None
        except Exception as error:  # noqa: BLE001 -- whoever waits is told
            return error
        if isinstance(outcome, ImageResult):
            return outcome
        entry.unreadable = 0
        if outcome.progress > entry.pending.progress and waiting.tells_progress:
            self._progress.tell(waiting.task_id, waiting.lease_token, outcome.progress)
        entry.pending = replace(outcome, progress=max(outcome.progress, entry.pending.progress))
        return None

    async def _poll(self, waiting: Waiting, folder: SpoolFolder, credential: str | None) -> ImageResult | Pending:
        """One poll, with the credential that created the work; where that is not known, each in turn."""
        if credential is None:
            trial = waiting.trial
            async with trial.credential(within_s=waiting.until - self._clock.monotonic()) as lent:
                trial.span.of_task(waiting.task_id)
                return await self._poll(waiting, folder, lent)
        stop = waiting.stop
        return await self._client.drive(
            stop.dialect.poll(waiting.pending.handle, stop.target),
            stop.vendor,
            credential=credential,
            open_sink=folder.open_sink,
            pictures=waiting.attempt.images_asked,
        )

    def _put(self, entry: _Entry, now: float) -> None:
        rest_s = entry.pending.poll_after_s
        if entry.looked_at + LOOKED_AT_S < now:
            rest_s = max(rest_s, len(self) / self._per_s)
        self._put_at(entry, min(now + rest_s, max(entry.waiting.until, now)))

    def _put_at(self, entry: _Entry, due: float) -> None:
        entry.due = due
        line = self._lines.setdefault(entry.waiting.stop.vendor.name, _Line())
        heappush(line.heap, (due, next(self._numbers), entry))


def _worth_asking_again(failure: VendorFailure, unreadable: int) -> bool:
    if failure.failure is Failure.UNREADABLE:
        return unreadable < UNREADABLE_MAX
    return failure.failure in _WORTH_ASKING_AGAIN or (failure.status or 0) >= 500


def _final(failure: Failure) -> Failure:
    """Work that was accepted can no longer be refused: whatever the poll says, no other target may be tried."""
    return Failure.FAILED if failure.not_accepted else failure
