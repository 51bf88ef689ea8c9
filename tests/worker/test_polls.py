"""When vendors are asked about work that they have accepted: in simulated time, with scripted vendors."""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import httpx
import orjson
import pytest

from app.core.attempt import AttemptState
from app.core.catalog import Target, Vendor
from app.core.exchange import Failure, VendorFailure
from app.core.image import ImageResult, Pending
from app.dialects import DIALECTS
from app.gateway.plan import Planner
from app.gateway.polls import Answer, Polls
from app.gateway.progress import ProgressBoard
from app.gateway.routing import Router
from app.gateway.waiting import Waiting
from app.media.spool import Spool, SpoolFolder
from app.store.attempts import Attempt
from app.upstream.client import VendorClient
from app.upstream.pool import VendorPool
from benchmarks.routing import LoopClock, simulate

WORKING = {"data": {"task_id": "x", "status": "in_progress"}}
DONE = {"data": {"task_id": "x", "status": "succeeded", "result_url": "https://v.example/cube.png"}}
RULE_S = 1.0
LATE_S = 0.051


class NoBoard(ProgressBoard):
    """Nobody reads it."""

    def __init__(self) -> None: ...


class Stand:
    """Polls of vendors that answer as `script` says, by a work's number and the time. Notes who was asked when."""

    def __init__(
        self,
        script: Callable[[int, float], object] = lambda number, at: WORKING,
        *,
        takes_s: float = 0.0,
        **limits: float,
    ) -> None:
        self._takes_s = takes_s
        self.clock = LoopClock()
        self.asked: list[tuple[int, float]] = []
        self.answers: dict[int, Answer] = {}
        self._script = script
        self._pool = VendorPool(self.clock, rng=random.Random(1))
        self._planner = Planner(DIALECTS, Router(self._pool, drained=frozenset, rng=random.Random(1)))
        client = VendorClient(httpx.MockTransport(self._network), clock=self.clock)
        spool = Spool(Path("/nonexistent"), max_bytes=0)
        self.polls = Polls(clock=self.clock, client=client, progress=NoBoard(), spool=spool, **limits)  # type: ignore[arg-type]

    def waiting(self, number: int, *, vendor: str = "v", for_s: float = 1000.0) -> Waiting:
        """Work that the vendor has accepted now."""
        target = Target(Vendor(vendor, "image_tasks", f"https://{vendor}.example/v1", ("key",)), "m")
        trial = self._pool.trial(target, retry=False, last=True)
        assert trial is not None
        return Waiting(
            attempt=Attempt(f"att_{number}", f"task_{number}", 0, 0, vendor, "m", 1, 0.0, AttemptState.ACCEPTED),
            lease_token="lease",
            stop=self._planner.stop(target),
            trial=trial,
            pending=Pending(str(number), RULE_S),
            credential="key",
            until=self.clock.monotonic() + for_s,
            place=None,
            tells_progress=False,
        )

    async def then(self, waiting: Waiting, answer: Answer, folder: SpoolFolder) -> None:
        self.answers[int(waiting.pending.handle)] = answer

    def times(self, number: int) -> list[float]:
        """When it was asked for."""
        return [at for asked, at in self.asked if asked == number]

    async def _network(self, request: httpx.Request) -> httpx.Response:
        number, at = int(request.url.path.rpartition("/")[2]), self.clock.monotonic()
        self.asked.append((number, at))
        await self.clock.sleep(self._takes_s)
        answer = self._script(number, at)
        if isinstance(answer, int):
            return httpx.Response(answer, stream=httpx.ByteStream(b""))
        if answer is None:
            await self.clock.sleep(10_000)
        return httpx.Response(200, stream=httpx.ByteStream(orjson.dumps(answer)))


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_nothing_is_asked_for_sooner_than_its_vendor_allows_nor_much_later() -> None:
    async def run() -> list[float]:
        stand = Stand()
        stand.polls.add(stand.waiting(1), stand.then, looked_at=True)
        await stand.clock.sleep(20)
        return stand.times(1)

    times = simulate(run())
    assert all(RULE_S <= gap <= RULE_S + LATE_S for gap in [times[0], *gaps(times)])
    assert len(times) >= 19


def test_what_nobody_looks_at_shares_the_polls_and_who_looks_is_served_first() -> None:
    async def run() -> Stand:
        stand = Stand(per_s=2.0)
        for number in range(10):
            stand.polls.add(stand.waiting(number), stand.then)
        stand.polls.add(stand.waiting(10), stand.then, looked_at=True)
        for _ in range(40):
            await stand.clock.sleep(1)
            stand.polls.look("task_3")
        return stand

    stand = simulate(run())
    assert all(5.5 <= gap <= 5.5 + LATE_S for gap in gaps(stand.times(4)))
    assert stand.times(3)[0] <= RULE_S + LATE_S, "the first look brings it forward"
    for number in (3, 10):
        assert all(RULE_S <= gap <= RULE_S + LATE_S for gap in gaps(stand.times(number)))
        assert len(stand.times(number)) >= 35


def test_a_vendor_that_hangs_keeps_nobody_elses_work_waiting() -> None:
    async def run() -> Stand:
        stand = Stand(lambda number, at: None if number < 5 else WORKING, at_once=2)
        for number in range(5):
            stand.polls.add(stand.waiting(number, vendor="hangs"), stand.then, looked_at=True)
        stand.polls.add(stand.waiting(7), stand.then, looked_at=True)
        await stand.clock.sleep(20)
        return stand

    stand = simulate(run())
    assert len({number for number, _ in stand.asked if number < 5}) == 2
    assert len(stand.times(7)) >= 18


def test_what_takes_too_long_is_given_up_in_time_even_while_it_is_asked_for() -> None:
    async def run() -> Stand:
        stand = Stand(lambda number, at: None if number == 1 else WORKING)
        for number in (1, 2):
            stand.polls.add(stand.waiting(number, for_s=5.5), stand.then, looked_at=True)
        await stand.clock.sleep(5.5 + 2 * LATE_S)
        return stand

    stand = simulate(run())
    failures = [answer.failure for answer in stand.answers.values() if isinstance(answer, VendorFailure)]
    assert failures == [Failure.TIMED_OUT, Failure.TIMED_OUT]
    assert max(stand.times(2)) < 5.5


def test_an_answer_is_told_once_and_nothing_is_asked_for_after_it() -> None:
    async def run() -> Stand:
        stand = Stand(lambda number, at: DONE if at > 3 else WORKING)
        stand.polls.add(stand.waiting(1), stand.then)
        await stand.clock.sleep(10)
        return stand

    stand = simulate(run())
    assert isinstance(stand.answers[1], ImageResult)
    assert len(stand.times(1)) == 3
    assert len(stand.polls) == 0


@pytest.mark.parametrize("after_s", [0.5, 1.5, 2.2], ids=["before it is asked for", "meanwhile", "between"])
def test_what_was_removed_is_asked_for_no_more_and_nobody_is_told(after_s: float) -> None:
    async def run() -> Stand:
        stand = Stand(lambda number, at: DONE if at > after_s - 0.5 else WORKING, takes_s=0.8)
        removed, kept = stand.waiting(1), stand.waiting(2)
        for waiting in (removed, kept):
            stand.polls.add(waiting, stand.then)
        await stand.clock.sleep(after_s)
        stand.polls.remove(removed)
        await stand.clock.sleep(10)
        return stand

    stand = simulate(run())
    assert [*stand.answers] == [2]
    assert all(at <= after_s for at in stand.times(1))


def test_accepted_work_is_never_refused_by_a_poll() -> None:
    """A 401 or 500 is asked again; what says that the work was refused says that it has failed."""

    async def run() -> Stand:
        rejected = {"error": {"code": "content_policy", "message": "rejected"}}
        stand = Stand(
            lambda number, at: (401 if at < 2 else 500) if at < 4 else {"data": {"status": "failed"}, **rejected}
        )
        stand.polls.add(stand.waiting(1), stand.then)
        await stand.clock.sleep(10)
        return stand

    stand = simulate(run())
    answer = stand.answers[1]
    assert isinstance(answer, VendorFailure)
    assert not answer.failure.not_accepted
    assert len(stand.times(1)) == 4
