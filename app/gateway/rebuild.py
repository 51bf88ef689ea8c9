"""Makes a Work of a task's row, for a process that did not admit it, or did not keep it while it only waited."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from app.core.attempt import AttemptState
from app.core.catalog import Catalog, Target
from app.core.clock import Clock
from app.core.errors import NoVendorAvailable, Overloaded
from app.core.exchange import Failure
from app.core.image import ImageRequest
from app.core.pricing import Price, Units, images_charge
from app.gateway.input_store import InputStore
from app.gateway.inputs import InputDesk
from app.gateway.persist import read_persistently
from app.gateway.plan import Planner, Stop
from app.gateway.request_record import from_record
from app.gateway.work import Past, Work
from app.media.spool import SpoolFolder
from app.store import attempts, tasks
from app.store.attempts import Attempt, Result
from app.store.database import Database, Tx
from app.store.tasks import LeaseLost, Task


class Rebuilder:
    """Rebuilds works by the catalog that is in force now, and by the one they were admitted by where that has what is
    gone since. Their price is the row's (L17).
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        admitting: Callable[[int], Awaitable[Catalog]],
        planner: Planner,
        inputs: InputDesk,
        store: InputStore,
    ) -> None:
        self._database = database
        self._clock = clock
        self._admitting = admitting
        self._planner = planner
        self._inputs = inputs
        self._store = store

    async def work_of(self, task: Task, folder: SpoolFolder) -> Work:
        """The work of a task that this process has just claimed.

        Raises: GatewayError when it can no longer be done; LeaseLost.
        """
        assert task.lease_token is not None
        catalog = await self._admitting(task.catalog_revision)
        past = await self._database.write(lambda tx: self._taken_over(tx, task, catalog))
        blobs = await self._store.fetch(task.request)
        if blobs is None:
            raise Overloaded("The reference images of this task are gone.", code="storage_unavailable")
        request = from_record(task.request, blobs)
        stops = (
            self._stops(request, catalog) if any(one.attempt.state.allows_another for one in past) or not past else ()
        )
        return Work(
            task_id=task.id,
            lease_token=task.lease_token,
            account_id=task.account_id,
            request=await self._inputs.ready(request, stops, folder, account_id=task.account_id),
            stops=stops,
            price=Price(per_image=Units(task.price_units)),
            created_at=task.created_at,
            deadline_at=task.deadline_at,
            past=past,
        )

    async def again(self, task_id: str, lease_token: str) -> Work:
        """The work of a task that this process has, and of which everything was asked for: what came of that is taken
        in with it, and nothing more is sent.

        Raises: LeaseLost; Overloaded.
        """
        task = await read_persistently(self._database, self._clock, lambda tx: tasks.get(tx, task_id))
        if task is None or task.lease_token != lease_token:
            raise LeaseLost(task_id)
        return Work(
            task_id=task.id,
            lease_token=lease_token,
            account_id=task.account_id,
            request=from_record(task.request, {}),
            stops=(),
            price=Price(per_image=Units(task.price_units)),
            created_at=task.created_at,
            deadline_at=task.deadline_at,
        )

    def _stops(self, request: ImageRequest, catalog: Catalog) -> tuple[Stop, ...]:
        model = catalog.models.get(request.model)
        if model is None:
            raise NoVendorAvailable("This model is no longer served.", should_retry=False)
        return self._planner.plan(model, request)

    def _taken_over(self, tx: Tx, task: Task, catalog: Catalog) -> tuple[Past, ...]:
        """What earlier owners did. An intent whose bytes never left is void; one that left without an answer is
        unknown, and nothing is sent in its place (L12).
        """
        assert task.lease_token is not None
        tasks.demand_lease(tx, task.id, task.lease_token)
        found = [self._past(attempt, task, catalog) for attempt in attempts.list_for_task(tx, task.id)]
        return tuple(Past(self._ended(tx, one, task), one.stop) for one in found)

    def _ended(self, tx: Tx, one: Past, task: Task) -> Attempt:
        result = _result_without_owner(one, task)
        if result is None:
            return one.attempt
        attempts.resolve(tx, one.attempt.id, result, at=self._clock.now())
        return replace(one.attempt, state=result.state, failure=result.failure, detail=result.detail)

    def _past(self, attempt: Attempt, task: Task, catalog: Catalog) -> Past:
        vendor, model = catalog.vendors.get(attempt.vendor), catalog.models.get(task.model)
        if vendor is None or not vendor.configured:
            return Past(attempt, None)
        targets = model.targets if model else ()
        same = [one for one in targets if (one.vendor.name, one.model) == (attempt.vendor, attempt.vendor_model)]
        return Past(attempt, self._planner.stop(same[0] if same else Target(vendor, attempt.vendor_model)))


def _result_without_owner(one: Past, task: Task) -> Result | None:
    """How an attempt ends whose owner is gone; None when it has ended, or can be polled on."""
    attempt = one.attempt
    if attempt.finished_at is not None or attempt.state in (AttemptState.REFUSED, AttemptState.UNKNOWN):
        return None
    if attempt.state is AttemptState.INTENDED:
        return Result(
            AttemptState.REFUSED, failure=Failure.UNREACHABLE.value, detail="its process ended before it was sent"
        )
    if attempt.state is AttemptState.ACCEPTED and one.stop is not None:
        return None
    cost = one.stop.target.cost if one.stop else Price(per_image=Units(task.price_units))
    return Result(
        AttemptState.UNKNOWN,
        failure=Failure.CUT.value,
        detail="its process ended before there was an answer",
        exposure_units=images_charge(cost, attempt.images_asked),
    )
