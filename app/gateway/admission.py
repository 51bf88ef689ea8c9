"""Lets a request in: key, model and capabilities are checked, then task, hold and claim are written in one transaction.

Whatever is refused here has called no vendor and left nothing in the ledger.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from app.core.catalog import Catalog, Model
from app.core.clock import Clock
from app.core.errors import ClientError, InvalidRequest, Overloaded, RateLimited
from app.core.ids import new_id
from app.core.image import ImageRequest
from app.core.pricing import images_charge
from app.core.settle import settle
from app.core.task import TaskStatus
from app.core.tracing import PLACE
from app.gateway import idempotency
from app.gateway.caller import Caller
from app.gateway.doubtful import DoubtfulAdmissions
from app.gateway.faults import NO_FAULTS, Faults
from app.gateway.idempotency import Claim
from app.gateway.input_store import InputStore, StoredInputs
from app.gateway.inputs import InputDesk
from app.gateway.plan import Planner, Stop
from app.gateway.request_record import to_record
from app.gateway.work import Surface, Work
from app.media.spool import SpoolFolder
from app.store import leases, ledger, media, tasks
from app.store.database import Database, Tx
from app.store.tasks import Mode, Task

CONCURRENCY_RETRY_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """`task_deadline_s`: how long a task may take in all; `lease_s`: how long a silent owner keeps it.

    `key_concurrency`: tasks of a key in progress at once, where the key does not say; `key_queued`: async tasks of a
    key that wait or run at once.
    """

    task_deadline_s: float = 900.0
    lease_s: float = 60.0
    key_concurrency: int = 20
    key_queued: int = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants, and how it asked. `base_url`: where it reaches us, for links. `claim`: what it repeats.

    `strict`: what would be a warning is refused.
    """

    request: ImageRequest
    surface: Surface
    mode: Mode = "sync"
    strict: bool = False
    base_url: str = ""
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Admitted:
    """A committed task. `work` is there when this process is to do it now."""

    task: Task
    work: Work | None


@dataclass(frozen=True, slots=True)
class Repeated:
    """Nothing was admitted: the request repeats the one that this task was made for."""

    task_id: str


class Admission:
    """Admits image requests."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        catalog: Callable[[], Catalog],
        planner: Planner,
        inputs: InputDesk,
        store: InputStore,
        owner: str,
        doubtful: DoubtfulAdmissions,
        limits: AdmissionLimits,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._catalog = catalog
        self._planner = planner
        self._inputs = inputs
        self._store = store
        self._owner = owner
        self._doubtful = doubtful
        self._limits = limits
        self._faults = faults

    async def admit(self, caller: Caller, wanted: Wanted, folder: SpoolFolder) -> Admitted | Repeated:
        """A task for what is wanted, its price held: queued when it is async, else in progress and this process's.

        Raises: ClientError, for all that is wrong with it; NoVendorAvailable; Overloaded (storage_unavailable), before
        anything is paid.
        """
        if wanted.claim is not None:
            found = await idempotency.find(self._database, wanted.claim, at=self._clock.now())
            if found is not None:
                return Repeated(found)
        catalog = self._catalog()
        model, wanted, stops = self._settled(caller, wanted, catalog)
        self._inputs.demand_webhook(wanted.request)
        ready = await self._inputs.ready(wanted.request, stops, folder, account_id=caller.account.id)
        wanted = replace(wanted, request=ready)
        _demand_no_warnings(wanted)
        await self._store.check()
        self._faults.at("admission.checked")
        task = self._task(caller, wanted, model, catalog.revision)
        if wanted.mode == "sync":
            return await self._enter_sync(caller, wanted, task, model, stops)
        return await self._enter_async(caller, wanted, task, model)

    def _settled(self, caller: Caller, wanted: Wanted, catalog: Catalog) -> tuple[Model, Wanted, tuple[Stop, ...]]:
        asked = wanted.request
        resolved = catalog.resolve(asked.model, resolution=asked.resolution, size=asked.size)
        caller.demand(resolved.model)
        request = settle(asked, resolved)
        wanted = replace(wanted, request=request)
        _demand_no_warnings(wanted)
        stops = self._planner.plan(resolved.model, request, strict=wanted.strict)
        return resolved.model, wanted, stops

    async def _enter_sync(
        self, caller: Caller, wanted: Wanted, task: Task, model: Model, stops: tuple[Stop, ...]
    ) -> Admitted | Repeated:
        task = replace(
            task,
            status=TaskStatus.IN_PROGRESS,
            owner=self._owner,
            lease_token=secrets.token_hex(16),
            lease_until=task.created_at + self._limits.lease_s,
            started_at=task.created_at,
        )
        repeated = await self._enter(caller, wanted, task, StoredInputs())
        if repeated is not None:
            return repeated
        assert task.lease_token is not None
        return Admitted(
            task,
            Work(
                task_id=task.id,
                lease_token=task.lease_token,
                account_id=task.account_id,
                request=wanted.request,
                stops=stops,
                price=model.price,
                created_at=task.created_at,
                deadline_at=task.deadline_at,
            ),
        )

    async def _enter_async(self, caller: Caller, wanted: Wanted, task: Task, model: Model) -> Admitted | Repeated:
        stored = await self._store.keep(wanted.request, task, until=task.deadline_at)
        self._faults.at("admission.inputs_stored")
        try:
            task = replace(task, request=_record(wanted, stored))
            repeated = await self._enter(caller, wanted, task, stored)
        except ClientError:
            await self._store.discard(stored)
            raise
        if repeated is not None:
            await self._store.discard(stored)
            return repeated
        return Admitted(task, None)

    async def _enter(self, caller: Caller, wanted: Wanted, task: Task, stored: StoredInputs) -> Repeated | None:
        try:
            found = await self._database.write(
                lambda tx: self._write(tx, caller, wanted, task, stored), account_id=task.account_id
            )
        except Overloaded as error:
            self._doubtful.add(task, repeated=wanted.claim is not None)
            raise _maybe_admitted(task, error) from error
        self._faults.at("admission.committed")
        return None if found is None else Repeated(found)

    def _write(self, tx: Tx, caller: Caller, wanted: Wanted, task: Task, stored: StoredInputs) -> str | None:
        """Claim, task, inputs and hold, together or not at all (T2); the other task when this one repeats it."""
        if wanted.claim is not None:
            found = idempotency.enter(tx, wanted.claim, task.id, at=task.created_at)
            if found is not None:
                return found
        self._demand_room(tx, caller, wanted)
        tasks.create(tx, task)
        media.insert_all(tx, stored.rows)
        ledger.hold(
            tx,
            charge_id=task.id,
            account_id=task.account_id,
            key=caller.budget,
            units=task.hold_units,
            price={"per_image": task.price_units},
            at=task.created_at,
        )
        return None

    def _demand_room(self, tx: Tx, caller: Caller, wanted: Wanted) -> None:
        """Keeps the key within its limits, exactly (T12). Raises: RateLimited (concurrency_limit_exceeded)."""
        leases.lock_key(tx, caller.key.id)
        running, queued = tasks.count_unfinished(tx, caller.key.id)
        if wanted.mode == "sync":
            count, allowed = running, caller.key.concurrency or self._limits.key_concurrency
        else:
            count, allowed = running + queued, self._limits.key_queued
        if count >= allowed:
            raise RateLimited(
                f"This key has {count} requests at work; at most {allowed} are allowed at once.",
                code="concurrency_limit_exceeded",
                retry_after_s=CONCURRENCY_RETRY_S,
            )

    def _task(self, caller: Caller, wanted: Wanted, model: Model, revision: int) -> Task:
        now, request = self._clock.now(), wanted.request
        return Task(
            id=new_id("task"),
            account_id=caller.account.id,
            key_id=caller.key.id,
            model=request.model,
            surface=wanted.surface,
            mode=wanted.mode,
            status=TaskStatus.QUEUED,
            request=_record(wanted, StoredInputs()),
            n=request.n,
            price_units=images_charge(model.price, 1),
            hold_units=images_charge(model.price, request.n),
            catalog_revision=revision,
            created_at=now,
            deadline_at=now + self._limits.task_deadline_s,
            user_metadata=dict(request.metadata),
            webhook_url=request.webhook_url,
        )


def _demand_no_warnings(wanted: Wanted) -> None:
    if wanted.strict and wanted.request.warnings:
        warning = wanted.request.warnings[0]
        raise InvalidRequest(warning.message, code="unsupported_parameter", param=warning.param)


def _record(wanted: Wanted, stored: StoredInputs) -> dict[str, object]:
    place = PLACE.get()
    traced = {} if place is None else {"trace": place}
    return {**to_record(wanted.request, stored=stored.names), "base_url": wanted.base_url, **traced}


def _maybe_admitted(task: Task, error: Overloaded) -> Overloaded:
    """The same refusal, with the id under which the client finds what was taken in after all."""
    return Overloaded(
        error.message, code=error.code, retry_after_s=error.retry_after_s, should_retry=True, task_id=task.id
    )
