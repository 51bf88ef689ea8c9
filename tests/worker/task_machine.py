"""A machine that does to tasks what two workers, a client, a sweeper and a wrong clock can do, beside a plain model.

The rows, the leases, the attempts and the money are the real ones, on a real database. After every step all that the
model says must be in the rows, and every invariant of tasks (T1 to T12) and of the ledger must hold.
"""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from app.core.attempt import AttemptState
from app.core.errors import UpstreamTimeout
from app.core.exchange import Failure, VendorFailure
from app.core.image import DeliveredImage
from app.core.pricing import Units
from app.core.task import TaskStatus
from app.gateway.plan import ATTEMPTS_MAX
from app.gateway.work import AttemptDone, Cancelled, Drawn
from app.store import leases, tasks
from app.store.database import Tx
from app.store.leases import Lease
from app.store.tasks import Progress
from tests.worker.task_model import (
    AT_ONCE,
    ENDED,
    LEASE_S,
    PRICE_UNITS,
    REFUSALS,
    SILENCES,
    STOP,
    WORKERS,
    TaskModel,
)


class TaskMachine(TaskModel):
    """See the module."""

    # What clients do.

    @initialize(count=st.integers(1, 3))
    def begin_with_a_queue(self, count: int) -> None:
        for _ in range(count):
            self.create_async()

    @rule()
    def create_async(self) -> None:
        self.create()

    @rule(worker=st.sampled_from(WORKERS))
    def create_sync(self, worker: str) -> None:
        if self.running() < AT_ONCE:  # admission refuses it else, in the same transaction
            self.create(worker)

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
            self.ended(task_id, TaskStatus.CANCELLED)

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
        room = AT_ONCE - self.running()
        assert [task.id for task in taken] == [task_id for _, task_id in waiting[:limit][: max(room, 0)]]
        self.taken(taken, lease)

    @rule(worker=st.sampled_from(WORKERS), limit=st.integers(1, 3))
    def take_over(self, worker: str, limit: int) -> None:
        at, lease = self.clock.now(), Lease(worker, secrets.token_hex(8), LEASE_S)
        taken = self.write(lambda tx: leases.claim_expired(tx, lease, at=at, limit=limit))
        orphans = {
            task_id for task_id, kept in self.kept.items() if kept.status is TaskStatus.IN_PROGRESS and kept.until <= at
        }
        assert {task.id for task in taken} <= orphans
        assert len(taken) == min(limit, len(orphans))
        self.taken(taken, lease)
        for task in taken:
            self.end_attempts_of_the_dead(task)

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
        grip = self.a_grip(data)
        self.write(lambda tx: leases.abandon(tx, grip.task_id, lease_token=grip.token))
        if (kept := self.live(grip)) is not None:
            kept.owner, kept.until = None, 0.0

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def hand_back(self, data: st.DataObject) -> None:
        grip = self.a_grip(data)
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
        grip = self.a_grip(data)
        kept = self.kept[grip.task_id]
        if not kept.may_be_tried:
            return
        intended = self.records.intended(self.work(grip), STOP, slot=0, ordinal=len(kept.states), count=1)
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
        grip = self.a_grip(data)
        kept, attempt = self.kept[grip.task_id], grip.attempt
        if attempt is None or (self.live(grip) and kept.states[-1] is not AttemptState.INTENDED):
            return
        try:
            self.fenced(self.records.sent(self.work(grip), attempt, credential="k"), grip)
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
        grip = self.a_grip(data)
        kept, attempt = self.kept[grip.task_id], grip.attempt
        if attempt is None or (self.live(grip) and kept.states[-1] is not AttemptState.SENT):
            return
        self.fenced(self.records.accepted(self.work(grip), attempt, "work-7"), grip)
        if self.live(grip):
            kept.states[-1], kept.handle = AttemptState.ACCEPTED, True

    @precondition(lambda self: self.grips)
    @rule(data=st.data(), refusal=REFUSALS, silence=SILENCES, refused=st.booleans())
    def fail_the_attempt(self, data: st.DataObject, refusal: Failure, silence: Failure, refused: bool) -> None:
        grip = self.a_grip(data)
        kept, attempt = self.kept[grip.task_id], grip.attempt
        if attempt is None or (self.live(grip) and kept.states[-1] is not AttemptState.SENT):
            return
        failure = VendorFailure(refusal if refused else silence)
        self.fenced(self.records.failed(self.work(grip), attempt, STOP, failure), grip)
        if self.live(grip):
            kept.states[-1] = AttemptState.REFUSED if refused else AttemptState.UNKNOWN

    @precondition(lambda self: self.grips)
    @rule(data=st.data(), percent=st.integers(0, 100))
    def tell_progress(self, data: st.DataObject, percent: int) -> None:
        grip = self.a_grip(data)
        self.write(partial(tasks.set_progress, told=[Progress(grip.task_id, grip.token, percent)]))
        if (kept := self.live(grip)) is not None:
            kept.progress = max(kept.progress, percent)

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        grip = self.a_grip(data)
        kept = self.kept[grip.task_id]
        attempt = grip.attempt or self.accepted_attempt(grip)
        if attempt is None or (self.live(grip) and kept.states[-1] not in (AttemptState.SENT, AttemptState.ACCEPTED)):
            return
        picture = DeliveredImage(f"med_{secrets.token_hex(8)}", "image/png", 1, 1, 7, "00")
        drawn = Drawn(images=(picture,), done=(AttemptDone(attempt.id, 1, Units(4)),))
        was_live = self.live(grip) is not None
        self.fenced(self.settlement.succeed(self.work(grip), drawn), grip)
        if was_live:
            kept.states[-1], kept.progress = AttemptState.ACCEPTED, 100
            self.ended(grip.task_id, TaskStatus.SUCCEEDED)

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        grip = self.a_grip(data)
        kept = self.live(grip)
        if kept is not None and kept.states and kept.states[-1] in (AttemptState.INTENDED, AttemptState.SENT):
            return  # an attempt ends before its task does
        error = UpstreamTimeout("late", task_id=grip.task_id)
        work = self.settlement.fail(grip.task_id, self.account, error, lease_token=grip.token)
        self.fenced(work, grip)
        if kept is not None:
            self.ended(grip.task_id, TaskStatus.FAILED)

    @precondition(lambda self: self.grips)
    @rule(data=st.data())
    def obey_cancel(self, data: st.DataObject) -> None:
        grip = self.a_grip(data)
        kept = self.live(grip)
        if kept is not None and (not kept.cancel or not all(one is AttemptState.REFUSED for one in kept.states)):
            return
        self.fenced(self.settlement.cancel(grip.task_id, self.account, lease_token=grip.token), grip)
        if kept is not None:
            self.ended(grip.task_id, TaskStatus.CANCELLED)

    @rule()
    def sweep(self) -> None:
        """Fails what nobody began in time (T5)."""
        at = self.clock.now()

        def unit(tx: Tx) -> list[str]:
            late = [task.id for task in tasks.overdue(tx, at=at, limit=100)]
            for task_id in late:
                self.fail_now(tx, task_id, None)
            return late

        late = self.write(unit)
        queued = {task_id: kept for task_id, kept in self.kept.items() if kept.status is TaskStatus.QUEUED}
        assert set(late) == {task_id for task_id, kept in queued.items() if kept.deadline_at <= at}
        for task_id in late:
            self.ended(task_id, TaskStatus.FAILED)

    # What must hold after every step.

    @invariant()
    def the_rows_are_the_models(self) -> None:
        rows, violations = self.runner.run(self.database.read(self.everything))
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
        assert self.running() <= AT_ONCE  # T12
