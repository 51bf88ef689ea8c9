"""A machine that does to tasks what two workers, a client, a sweeper and a wrong clock can do, beside a plain model.

The rows, the leases, the attempts and the money are the real ones, on a real database. After every step all that the
model says must be in the rows, and every invariant of tasks (T1 to T12) and of the ledger must hold.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.core.attempt import AttemptState
from app.core.catalog import Target, Vendor
from app.core.clock import Clock
from app.core.errors import UpstreamTimeout
from app.core.exchange import Failure, VendorFailure
from app.core.image import DeliveredImage, ImageRequest
from app.core.pricing import Price, Units
from app.core.task import TaskStatus
from app.dialects import DIALECTS
from app.gateway.attempt_records import AttemptRecords
from app.gateway.bell import Bell
from app.gateway.metrics import Metrics
from app.gateway.plan import ATTEMPTS_MAX, Stop
from app.gateway.settlement import Settlement
from app.gateway.work import AttemptDone, Cancelled, Drawn, Work
from app.store import attempts, leases, ledger, ledger_verify, media, outbox, tasks
from app.store.attempts import Attempt, Result
from app.store.database import Database, Tx
from app.store.leases import Lease
from app.store.outbox import Delivery
from app.store.tasks import LeaseLost, Task
from tests.store.rows import NOW, a_task, add_account

T = TypeVar("T")

WORKERS: Final = ("prc_one", "prc_two")
PRICE_UNITS: Final = 10
LEASE_S: Final = 60.0
DEADLINE_S: Final = 900.0
AT_ONCE: Final = 3
ENDED: Final = frozenset({TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED})
TARGET: Final = Target(Vendor("acme", "image_tasks", "http://acme.example"), "drawer", cost=Price(per_image=Units(4)))
REFUSALS: Final = st.sampled_from([Failure.UNREACHABLE, Failure.RATE_LIMITED, Failure.UNAVAILABLE])
SILENCES: Final = st.sampled_from([Failure.CUT, Failure.TIMED_OUT])


class HandClock(Clock):
    time = NOW

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Kept:
    """What the model knows of a task. `row`: as it was when it ended."""

    status: TaskStatus
    created_at: float
    deadline_at: float
    owner: str | None = None
    token: str | None = None
    until: float = 0.0
    cancel: bool = False
    progress: int = 0
    states: list[AttemptState] = field(default_factory=list)
    handle: bool = False
    row: Task | None = None

    @property
    def may_be_tried(self) -> bool:
        """Whether another attempt may be made: nothing of it can have been paid."""
        return len(self.states) < ATTEMPTS_MAX and all(state is AttemptState.REFUSED for state in self.states)


@dataclass
class Grip:
    """What a worker believes to have: perhaps no longer."""

    task_id: str
    token: str
    attempt: Attempt | None = None


class TaskMachine(RuleBasedStateMachine):
    """See the module. `opened` opens the database in the machine's own loop; `account` is this machine's own."""

    def __init__(self, opened: Callable[[], Coroutine[Any, Any, Database]]) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.database = self.runner.run(opened())
        self.clock = HandClock()
        self.records = AttemptRecords(self.database, clock=self.clock)
        self.settlement = Settlement(
            self.database,
            clock=self.clock,
            media_ttl_s=DEADLINE_S,
            bell=Bell(self.clock),
            announce=_announce,
            metrics=Metrics(),
        )
        self.account = f"acc_{secrets.token_hex(6)}"
        self.key = self.account.replace("acc", "key")
        self.write(lambda tx: add_account(tx, self.account, units=10**6))
        self.kept: dict[str, Kept] = {}
        self.grips: list[Grip] = []
        self.made = 0

    def teardown(self) -> None:
        """Ends what is left, so that the next machine on this database has its queue to itself."""
        for task_id, kept in self.kept.items():
            if kept.status not in ENDED:
                self.write(partial(self._fail, task_id=task_id, token=kept.token))
        self.runner.run(self.database.close())
        self.runner.close()

    def write(self, unit: Callable[[Tx], T]) -> T:
        """Runs a unit of work."""
        return self.runner.run(self.database.write(unit))

    def fenced(self, work: Coroutine[Any, Any, T], grip: Grip) -> T | None:
        """Runs what must be refused to whoever has lost the lease, and only to them (T4); None: it was refused."""
        holds = self.kept[grip.task_id].token == grip.token and self.kept[grip.task_id].status not in ENDED
        try:
            done = self.runner.run(work)
        except LeaseLost:
            assert not holds
            return None
        assert holds
        return done

    def live(self, grip: Grip) -> Kept | None:
        """The model's task when the grip is good."""
        kept = self.kept[grip.task_id]
        return kept if kept.token == grip.token and kept.status is TaskStatus.IN_PROGRESS else None

    # What clients do.

    @initialize(count=st.integers(1, 3))
    def begin_with_a_queue(self, count: int) -> None:
        for _ in range(count):
            self.create_async()

    @rule()
    def create_async(self) -> None:
        self._create()

    @rule(worker=st.sampled_from(WORKERS))
    def create_sync(self, worker: str) -> None:
        if self._running() < AT_ONCE:  # admission refuses it else, in the same transaction
            self._create(worker)

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = data.draw(st.sampled_from(sorted(self.kept)))
        kept = self.kept[task_id]

        def unit(tx: Tx) -> None:
            task = tasks.request_cancel(tx, task_id, account_id=self.account)
            if task is not None and task.status is TaskStatus.QUEUED:
                self.settlement.cancel_within(tx, task_id, lease_token=None, at=self.clock.now())

        self.write(unit)
        kept.cancel = kept.cancel or kept.status not in ENDED
        if kept.status is TaskStatus.QUEUED:
            self._ended(task_id, TaskStatus.CANCELLED)

    # What time does. It may go back.

    @rule(seconds=st.sampled_from([-3600.0, -5.0, 1.0, 20.0, 61.0, 1000.0]))
    def clock_moves(self, seconds: float) -> None:
        self.clock.time += seconds

    # What processes do with leases.

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3))
    def claim(self, worker: str, limit: int) -> None:
        at, lease = self.clock.now(), Lease(worker, secrets.token_hex(8), LEASE_S)
        taken = self.write(lambda tx: leases.claim(tx, lease, at=at, limit=limit, default_concurrency=AT_ONCE))
        waiting = sorted(
            (kept.created_at, task_id)
            for task_id, kept in self.kept.items()
            if kept.status is TaskStatus.QUEUED and kept.deadline_at > at
        )
        room = AT_ONCE - self._running()
        assert [task.id for task in taken] == [task_id for _, task_id in waiting[:limit][: max(room, 0)]]
        self._taken(taken, lease)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3))
    def take_over(self, worker: str, limit: int) -> None:
        at, lease = self.clock.now(), Lease(worker, secrets.token_hex(8), LEASE_S)
        taken = self.write(lambda tx: leases.claim_expired(tx, lease, at=at, limit=limit))
        orphans = {
            task_id for task_id, kept in self.kept.items() if kept.status is TaskStatus.IN_PROGRESS and kept.until <= at
        }
        assert {task.id for task in taken} <= orphans
        assert len(taken) == min(limit, len(orphans))
        self._taken(taken, lease)
        for task in taken:
            self._end_attempts_of_the_dead(task)

    @rule(worker=st.sampled_from(WORKERS))
    def beat(self, worker: str) -> None:
        at = self.clock.now()
        self.write(lambda tx: leases.renew_all(tx, owner=worker, seconds=LEASE_S, at=at))
        for kept in self.kept.values():
            if kept.owner == worker and kept.status is TaskStatus.IN_PROGRESS:
                kept.until = at + LEASE_S

    @rule(worker=st.sampled_from(WORKERS))
    def leave(self, worker: str) -> None:
        self.write(lambda tx: leases.abandon_all(tx, owner=worker))
        for kept in self.kept.values():
            if kept.owner == worker and kept.status is TaskStatus.IN_PROGRESS:
                kept.owner, kept.until = None, 0.0

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        self.write(lambda tx: leases.abandon(tx, grip.task_id, lease_token=grip.token))
        if (kept := self.live(grip)) is not None:
            kept.owner, kept.until = None, 0.0

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        if self.kept[grip.task_id].states:
            return  # only a task of which nothing was sent
        unit: Callable[[Tx], Any] = lambda tx: leases.hand_back(tx, grip.task_id, lease_token=grip.token)  # noqa: E731
        holds = self.live(grip)
        self.fenced(self.database.write(unit), grip)
        if holds is not None:
            holds.status, holds.owner, holds.token = TaskStatus.QUEUED, None, None

    # What a worker does with a task.

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def intend(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        kept = self.kept[grip.task_id]
        if not kept.may_be_tried:
            return
        intended = self.records.intended(self._work(grip), _STOP, slot=0, ordinal=len(kept.states), count=1)
        try:
            attempt = self.fenced(intended, grip)
        except Cancelled:
            assert kept.cancel
            return
        if attempt is not None:
            assert not kept.cancel
            kept.states.append(AttemptState.INTENDED)
            grip.attempt = attempt

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        kept, attempt = self.kept[grip.task_id], grip.attempt
        if attempt is None or (self.live(grip) and kept.states[-1] is not AttemptState.INTENDED):
            return
        try:
            self.fenced(self.records.sent(self._work(grip), attempt, credential="k"), grip)
        except Cancelled:
            assert kept.cancel
            kept.states[-1] = AttemptState.REFUSED
            return
        if self.live(grip):
            assert not kept.cancel
            kept.states[-1] = AttemptState.SENT

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def accept(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        kept, attempt = self.kept[grip.task_id], grip.attempt
        if attempt is None or (self.live(grip) and kept.states[-1] is not AttemptState.SENT):
            return
        self.fenced(self.records.accepted(self._work(grip), attempt, "work-7"), grip)
        if self.live(grip):
            kept.states[-1], kept.handle = AttemptState.ACCEPTED, True

    @precondition(lambda self: self.grips)
    @rule(data=st.data(), refusal=REFUSALS, silence=SILENCES, refused=st.booleans())
    def fail_the_attempt(self, data: st.DataObject, refusal: Failure, silence: Failure, refused: bool) -> None:
        grip = self._a_grip(data)
        kept, attempt = self.kept[grip.task_id], grip.attempt
        if attempt is None or (self.live(grip) and kept.states[-1] is not AttemptState.SENT):
            return
        failure = VendorFailure(refusal if refused else silence)
        self.fenced(self.records.failed(self._work(grip), attempt, _STOP, failure), grip)
        if self.live(grip):
            kept.states[-1] = AttemptState.REFUSED if refused else AttemptState.UNKNOWN

    @precondition(lambda self: self.grips)
    @rule(data=st.data(), percent=st.integers(0, 100))
    def tell_progress(self, data: st.DataObject, percent: int) -> None:
        grip = self._a_grip(data)
        self.fenced(self.records.progress(self._work(grip), percent), grip)
        if (kept := self.live(grip)) is not None:
            kept.progress = max(kept.progress, percent)

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        kept = self.kept[grip.task_id]
        attempt = grip.attempt or self._accepted_attempt(grip)
        if attempt is None or (self.live(grip) and kept.states[-1] not in (AttemptState.SENT, AttemptState.ACCEPTED)):
            return
        picture = DeliveredImage(f"med_{secrets.token_hex(8)}", "image/png", 1, 1, 7, "00")
        drawn = Drawn(images=(picture,), done=(AttemptDone(attempt.id, 1, Units(4)),))
        was_live = self.live(grip) is not None
        self.fenced(self.settlement.succeed(self._work(grip), drawn), grip)
        if was_live:
            kept.states[-1], kept.progress = AttemptState.ACCEPTED, 100
            self._ended(grip.task_id, TaskStatus.SUCCEEDED)

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        kept = self.live(grip)
        if kept is not None and kept.states and kept.states[-1] in (AttemptState.INTENDED, AttemptState.SENT):
            return  # an attempt ends before its task does
        error = UpstreamTimeout("late", task_id=grip.task_id)
        work = self.settlement.fail(grip.task_id, self.account, error, lease_token=grip.token)
        self.fenced(work, grip)
        if kept is not None:
            self._ended(grip.task_id, TaskStatus.FAILED)

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def obey_cancel(self, data: st.DataObject) -> None:
        grip = self._a_grip(data)
        kept = self.live(grip)
        if kept is not None and (not kept.cancel or not all(one is AttemptState.REFUSED for one in kept.states)):
            return
        self.fenced(self.settlement.cancel(self._work(grip)), grip)
        if kept is not None:
            self._ended(grip.task_id, TaskStatus.CANCELLED)

    @rule()
    def sweep(self) -> None:
        """Fails what nobody began in time (T5)."""
        at = self.clock.now()

        def unit(tx: Tx) -> list[str]:
            late = [task.id for task in tasks.overdue(tx, at=at, limit=100)]
            for task_id in late:
                self._fail(tx, task_id, None)
            return late

        late = self.write(unit)
        queued = {task_id: kept for task_id, kept in self.kept.items() if kept.status is TaskStatus.QUEUED}
        assert set(late) == {task_id for task_id, kept in queued.items() if kept.deadline_at <= at}
        for task_id in late:
            self._ended(task_id, TaskStatus.FAILED)

    # What must hold after every step.

    @invariant()
    def the_rows_are_the_models(self) -> None:
        rows, violations = self.runner.run(self.database.read(self._everything))
        assert violations == []
        assert rows.keys() == self.kept.keys()  # T2, T3
        for task_id, (row, tried, delivered, told) in rows.items():
            kept = self.kept[task_id]
            lease = (row.owner, row.lease_token, row.lease_until if row.lease_token else 0.0)
            assert (row.status, row.progress, row.cancel_requested) == (kept.status, kept.progress, kept.cancel)
            assert lease == (kept.owner, kept.token, kept.until if kept.token else 0.0)
            assert [attempt.state for attempt in tried] == kept.states
            assert len(tried) <= ATTEMPTS_MAX  # T5
            done = row.status is TaskStatus.SUCCEEDED
            assert (row.units, len(delivered)) == ((PRICE_UNITS, 1) if done else (0, 0))  # T6, T7
            assert len(told) == (kept.status in ENDED)  # T10
            assert kept.row is None or row == kept.row  # T1
        assert self._running() <= AT_ONCE  # T12

    # The model's own doings.

    def _create(self, worker: str | None = None) -> None:
        self.made += 1
        task_id, at = f"task_{self.account}_{self.made:04}", self.clock.now()
        kept = Kept(TaskStatus.QUEUED, at, at + DEADLINE_S)
        if worker is not None:
            kept.status, kept.owner, kept.token = TaskStatus.IN_PROGRESS, worker, secrets.token_hex(8)
            kept.until = at + LEASE_S
        task = a_task(
            task_id,
            account_id=self.account,
            key_id=self.key,
            created_at=at,
            deadline_at=kept.deadline_at,
            status=kept.status,
            owner=kept.owner,
            lease_token=kept.token,
            lease_until=kept.until or None,
        )

        def unit(tx: Tx) -> None:
            tasks.create(tx, task)
            hold = {"charge_id": task_id, "account_id": self.account, "units": PRICE_UNITS}
            ledger.hold(tx, **hold, key=None, price={"per_image": PRICE_UNITS}, at=at)  # type: ignore[arg-type]

        self.write(unit)
        self.kept[task_id] = kept
        if kept.token is not None:
            self.grips.append(Grip(task_id, kept.token))

    def _fail(self, tx: Tx, task_id: str, token: str | None) -> None:
        error = UpstreamTimeout("late", task_id=task_id)
        self.settlement.fail_within(tx, task_id, error, lease_token=token, at=self.clock.now())

    def _taken(self, taken: tuple[Task, ...], lease: Lease) -> None:
        for task in taken:
            kept = self.kept[task.id]
            kept.status, kept.owner, kept.token = TaskStatus.IN_PROGRESS, lease.owner, lease.token
            kept.until = self.clock.now() + LEASE_S
            self.grips.append(Grip(task.id, lease.token))

    def _end_attempts_of_the_dead(self, task: Task) -> None:
        """As whoever takes a task over does: intents are void, what was sent without an answer is unknown (L12)."""
        kept = self.kept[task.id]
        if not kept.states or kept.states[-1] not in (AttemptState.INTENDED, AttemptState.SENT):
            return
        to = AttemptState.REFUSED if kept.states[-1] is AttemptState.INTENDED else AttemptState.UNKNOWN

        def unit(tx: Tx) -> None:
            tasks.demand_lease(tx, task.id, task.lease_token or "")
            last = attempts.list_for_task(tx, task.id)[-1]
            attempts.resolve(tx, last.id, Result(to), at=self.clock.now())

        self.write(unit)
        kept.states[-1] = to

    def _accepted_attempt(self, grip: Grip) -> Attempt | None:
        """What an earlier owner got accepted, to be polled on by this one."""
        tried = self.runner.run(self.database.read(lambda tx: attempts.list_for_task(tx, grip.task_id)))
        return tried[-1] if tried and tried[-1].state is AttemptState.ACCEPTED else None

    def _ended(self, task_id: str, status: TaskStatus) -> None:
        kept = self.kept[task_id]
        kept.status, kept.owner, kept.token, kept.until = status, None, None, 0.0
        kept.row = self.runner.run(self.database.read(lambda tx: tasks.get(tx, task_id)))

    def _running(self) -> int:
        return sum(kept.status is TaskStatus.IN_PROGRESS for kept in self.kept.values())

    def _a_grip(self, data: st.DataObject) -> Grip:
        """One of the last few: the latest are mostly good, the others have mostly been lost."""
        return self.grips[-1 - data.draw(st.integers(0, min(len(self.grips), 6) - 1))]

    def _work(self, grip: Grip) -> Work:
        kept = self.kept[grip.task_id]
        return Work(
            task_id=grip.task_id,
            lease_token=grip.token,
            account_id=self.account,
            request=ImageRequest("cube", "a cube"),
            stops=(_STOP,),
            price=Price(per_image=Units(PRICE_UNITS)),
            created_at=kept.created_at,
            deadline_at=kept.deadline_at,
        )

    def _everything(self, tx: Tx) -> tuple[dict[str, Any], list[str]]:
        told: dict[str, list[str]] = {}
        for delivery in outbox.list_page(tx, limit=1000).items:
            told.setdefault(delivery.task_id, []).append(delivery.event)
        rows = {}
        for row in tasks.list_page(tx, account_id=self.account, limit=1000).items:
            tried = attempts.list_for_task(tx, row.id)
            rows[row.id] = (row, tried, media.list_for_task(tx, row.id), told.get(row.id, []))
        return rows, list(ledger_verify.verify(tx).violations)


_STOP: Final = Stop(TARGET, DIALECTS["image_tasks"], DIALECTS["image_tasks"].takes(TARGET))


def _announce(tx: Tx, task_id: str, at: float) -> None:
    """The event of a task that has ended; the same id cannot be told twice (T10)."""
    task = tasks.get(tx, task_id)
    assert task is not None
    url = "http://acme.example/hook"
    outbox.enqueue(tx, Delivery(f"msg_{task_id}", task_id, task.account_id, task.status.value, url, {}, at, at))
