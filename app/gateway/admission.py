"""Lets a request in: key, model and capabilities are checked, then task, hold and lease are written in one transaction.

Whatever is refused here has called no vendor and left nothing in the ledger.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from app.core.catalog import Catalog, Model
from app.core.clock import Clock
from app.core.errors import InvalidRequest
from app.core.ids import new_id
from app.core.image import ImageRequest
from app.core.media import MediaStore
from app.core.pricing import Price, images_charge
from app.core.settle import settle
from app.core.task import TaskStatus
from app.gateway.caller import Caller
from app.gateway.inputs import InputDesk
from app.gateway.plan import Planner, Stop
from app.gateway.request_record import to_record
from app.gateway.work import Surface, Work
from app.media.spool import SpoolFolder
from app.store import ledger, tasks
from app.store.database import Database, Tx
from app.store.tasks import Task


@dataclass(frozen=True, slots=True)
class AdmissionLimits:
    """`task_deadline_s`: how long a task may take in all; `lease_s`: how long a silent owner keeps it."""

    task_deadline_s: float = 900.0
    lease_s: float = 60.0


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
        media: MediaStore,
        owner: str,
        limits: AdmissionLimits,
    ) -> None:
        self._database = database
        self._clock = clock
        self._catalog = catalog
        self._planner = planner
        self._inputs = inputs
        self._media = media
        self._owner = owner
        self._limits = limits

    async def admit(
        self, caller: Caller, request: ImageRequest, folder: SpoolFolder, *, surface: Surface, strict: bool = False
    ) -> Work:
        """A task of this process for the request, its price held. `strict`: what would be a warning is refused.

        Raises: ClientError, for all that is wrong with it; NoVendorAvailable; Overloaded (storage_unavailable), before
        anything is paid.
        """
        catalog = self._catalog()
        resolved = catalog.resolve(request.model, resolution=request.resolution, size=request.size)
        caller.demand(resolved.model)
        request = settle(request, resolved)
        if strict and request.warnings:
            warning = request.warnings[0]
            raise InvalidRequest(warning.message, code="unsupported_parameter", param=warning.param)
        stops = self._planner.plan(resolved.model, request, strict=strict)
        request = await self._inputs.ready(request, stops, folder)
        await self._media.check()
        work = self._work(caller, resolved.model, request, stops)
        task = self._task(work, caller, surface, catalog.revision)
        await self._database.write(lambda tx: _enter(tx, task, caller, work.price))
        return work

    def _work(self, caller: Caller, model: Model, request: ImageRequest, stops: tuple[Stop, ...]) -> Work:
        now = self._clock.now()
        return Work(
            task_id=new_id("task"),
            lease_token=secrets.token_hex(16),
            account_id=caller.account.id,
            request=request,
            stops=stops,
            price=model.price,
            created_at=now,
            deadline_at=now + self._limits.task_deadline_s,
        )

    def _task(self, work: Work, caller: Caller, surface: Surface, revision: int) -> Task:
        return Task(
            id=work.task_id,
            account_id=work.account_id,
            key_id=caller.key.id,
            model=work.request.model,
            surface=surface,
            mode="sync",
            status=TaskStatus.IN_PROGRESS,
            request=to_record(work.request),
            n=work.request.n,
            price_units=images_charge(work.price, 1),
            hold_units=images_charge(work.price, work.request.n),
            catalog_revision=revision,
            created_at=work.created_at,
            deadline_at=work.deadline_at,
            owner=self._owner,
            lease_token=work.lease_token,
            lease_until=work.created_at + self._limits.lease_s,
            user_metadata=dict(work.request.metadata),
            webhook_url=work.request.webhook_url,
            started_at=work.created_at,
        )


def _enter(tx: Tx, task: Task, caller: Caller, price: Price) -> None:
    """Task and hold, together or not at all (T2)."""
    tasks.create(tx, task)
    ledger.hold(
        tx,
        charge_id=task.id,
        account_id=task.account_id,
        key=caller.budget,
        units=task.hold_units,
        price={"per_image": price.per_image},
        at=task.created_at,
    )
