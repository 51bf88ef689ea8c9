"""What a plain model knows of tasks, and how it is set beside the real rows (see `task_machine`).

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
from hypothesis.stateful import RuleBasedStateMachine

from app.core.attempt import AttemptState
from app.core.catalog import Target, Vendor
from app.core.clock import Clock
from app.core.errors import UpstreamTimeout
from app.core.exchange import Failure
from app.core.image import ImageRequest
from app.core.pricing import Price, Units
from app.core.task import TaskStatus
from app.dialects import DIALECTS
from app.gateway.attempt_records import AttemptRecords
from app.gateway.bell import Bell
from app.gateway.metrics import Metrics
from app.gateway.plan import ATTEMPTS_MAX, Stop
from app.gateway.settlement import Settlement
from app.gateway.work import Work
from app.store import attempts, ledger, ledger_verify, media, outbox, tasks
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


class TaskModel(RuleBasedStateMachine):
    """The model, and the means to do and to compare. `opened` opens the database in the machine's own loop."""

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
                self.write(partial(self.fail_now, task_id=task_id, token=kept.token))
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

    def create(self, worker: str | None = None) -> None:
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

    def fail_now(self, tx: Tx, task_id: str, token: str | None) -> None:
        error = UpstreamTimeout("late", task_id=task_id)
        self.settlement.fail_within(tx, task_id, error, lease_token=token, at=self.clock.now())

    def taken(self, taken: tuple[Task, ...], lease: Lease) -> None:
        for task in taken:
            kept = self.kept[task.id]
            kept.status, kept.owner, kept.token = TaskStatus.IN_PROGRESS, lease.owner, lease.token
            kept.until = self.clock.now() + LEASE_S
            self.grips.append(Grip(task.id, lease.token))

    def end_attempts_of_the_dead(self, task: Task) -> None:
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

    def accepted_attempt(self, grip: Grip) -> Attempt | None:
        """What an earlier owner got accepted, to be polled on by this one."""
        tried = self.runner.run(self.database.read(lambda tx: attempts.list_for_task(tx, grip.task_id)))
        return tried[-1] if tried and tried[-1].state is AttemptState.ACCEPTED else None

    def ended(self, task_id: str, status: TaskStatus) -> None:
        kept = self.kept[task_id]
        kept.status, kept.owner, kept.token, kept.until = status, None, None, 0.0
        kept.row = self.runner.run(self.database.read(lambda tx: tasks.get(tx, task_id)))

    def running(self) -> int:
        return sum(kept.status is TaskStatus.IN_PROGRESS for kept in self.kept.values())

    def a_grip(self, data: st.DataObject) -> Grip:
        """One of the last few: the latest are mostly good, the others have mostly been lost."""
        return self.grips[-1 - data.draw(st.integers(0, min(len(self.grips), 6) - 1))]

    def work(self, grip: Grip) -> Work:
        kept = self.kept[grip.task_id]
        return Work(
            task_id=grip.task_id,
            lease_token=grip.token,
            account_id=self.account,
            request=ImageRequest("cube", "a cube"),
            stops=(STOP,),
            price=Price(per_image=Units(PRICE_UNITS)),
            created_at=kept.created_at,
            deadline_at=kept.deadline_at,
        )

    def everything(self, tx: Tx) -> tuple[dict[str, Any], list[str]]:
        told: dict[str, list[str]] = {}
        for delivery in outbox.list_page(tx, limit=1000).items:
            told.setdefault(delivery.task_id, []).append(delivery.event)
        rows = {}
        for row in tasks.list_page(tx, account_id=self.account, limit=1000).items:
            tried = attempts.list_for_task(tx, row.id)
            rows[row.id] = (row, tried, media.list_for_task(tx, row.id), told.get(row.id, []))
        return rows, list(ledger_verify.verify(tx).violations)


STOP: Final = Stop(TARGET, DIALECTS["image_tasks"], DIALECTS["image_tasks"].takes(TARGET))


def _announce(tx: Tx, task_id: str, at: float) -> None:
    """The event of a task that has ended; the same id cannot be told twice (T10)."""
    task = tasks.get(tx, task_id)
    assert task is not None
    url = "http://acme.example/hook"
    outbox.enqueue(tx, Delivery(f"msg_{task_id}", task_id, task.account_id, task.status.value, url, {}, at, at))
