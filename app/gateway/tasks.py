"""The use cases of the task surface: create, look, wait, list and cancel, each for the account that asks."""

from dataclasses import dataclass
from typing import Final

from app.core.clock import Clock
from app.core.errors import NotFound
from app.core.ids import new_id
from app.core.image import ImageRequest
from app.core.task import TaskStatus
from app.core.task_view import TaskView
from app.gateway.admission import Admission, Repeated, Wanted
from app.gateway.bell import Bell
from app.gateway.caller import Caller
from app.gateway.idempotency import Claim
from app.gateway.settlement import Settlement
from app.gateway.task_views import TaskRows, TaskViews, find_rows, rows_of
from app.gateway.watch import TaskWatch
from app.media.spool import SpoolFolder
from app.store import audit, tasks
from app.store.database import Database, Tx
from app.store.sql import Page

WAIT_S_MAX: Final = 60.0


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks of an account are listed. None: all."""

    status: TaskStatus | None = None
    model: str | None = None


class Tasks:
    """What a client may do with tasks."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        admission: Admission,
        settlement: Settlement,
        watch: TaskWatch,
        views: TaskViews,
        bell: Bell,
    ) -> None:
        self._database = database
        self._clock = clock
        self._admission = admission
        self._settlement = settlement
        self._watch = watch
        self._views = views
        self._bell = bell

    async def create(
        self,
        caller: Caller,
        request: ImageRequest,
        folder: SpoolFolder,
        *,
        strict: bool = False,
        base_url: str,
        claim: Claim | None = None,
    ) -> TaskView:
        """A queued task; when this returns it is committed with its hold. A repeat is answered as the first was.

        `folder` stays the caller's. Raises: GatewayError, when it is not admitted.
        """
        wanted = Wanted(request, "image_tasks", mode="async", strict=strict, base_url=base_url, claim=claim)
        admitted = await self._admission.admit(caller, wanted, folder)
        if isinstance(admitted, Repeated):
            first = await self._watch.look(admitted.task_id, account_id=caller.account.id)
            return self._views.as_created(first.task)
        self._bell.ring(Bell.QUEUE)
        return self._views.as_created(admitted.task)

    async def get(self, caller: Caller, task_id: str, *, base_url: str, wait_s: float = 0.0) -> TaskView:
        """The task, at once or, within `wait_s`, when it has ended. Raises: NotFound (task_not_found)."""
        seconds = min(wait_s, WAIT_S_MAX)
        rows = await self._watch.ended(task_id, account_id=caller.account.id, seconds=seconds)
        return await self._view(rows, base_url)

    async def page(
        self, caller: Caller, which: TaskFilter, *, base_url: str, after: str | None, limit: int
    ) -> Page[TaskView]:
        """The account's tasks, newest first, pictures by URL. Raises: InvalidRequest: `after` is no cursor."""
        now = self._clock.now()

        def read(tx: Tx) -> tuple[list[TaskRows], str | None]:
            found = tasks.list_page(
                tx, account_id=caller.account.id, status=which.status, model=which.model, after=after, limit=limit
            )
            return rows_of(tx, found.items, at=now), found.next_cursor

        rows, cursor = await self._database.read(read)
        return Page(tuple(self._views.view(one, base_url=base_url, now=now) for one in rows), cursor)

    async def cancel(self, caller: Caller, task_id: str, *, base_url: str) -> TaskView:
        """Ends a queued task. One in progress ends too unless a vendor was already asked: that is paid, and finished.

        A task that has ended is answered as it is. Raises: NotFound (task_not_found).
        """
        return await self._view(await self._cancel(task_id, account_id=caller.account.id), base_url)

    async def cancel_any(self, task_id: str, *, actor: str) -> None:
        """The same for an operator, whosever task it is; audited. Raises: NotFound (task_not_found)."""
        change = audit.Change(new_id("aud"), self._clock.now(), actor, "task.cancelled", task_id)
        await self._cancel(task_id, change=change)

    async def _cancel(
        self, task_id: str, *, account_id: str | None = None, change: audit.Change | None = None
    ) -> TaskRows:
        now = self._clock.now()

        def unit(tx: Tx) -> tuple[bool, TaskRows | None]:
            before = tasks.get(tx, task_id, account_id=account_id)
            if change is not None and before is not None and not before.status.terminal:
                audit.record(tx, change)
            task = tasks.request_cancel(tx, task_id, account_id=account_id)
            at_once = task is not None and task.status is TaskStatus.QUEUED
            if at_once:
                self._settlement.cancel_within(tx, task_id, lease_token=None, at=now)
            return at_once, find_rows(tx, task_id, at=now, account_id=account_id)

        ended, rows = await self._database.write(unit)
        if rows is None:
            raise NotFound("There is no such task.", code="task_not_found")
        if ended:
            self._settlement.ended_within(task_id, TaskStatus.CANCELLED)
        else:
            self._bell.ring(task_id)
        return rows

    async def _view(self, rows: TaskRows, base_url: str) -> TaskView:
        inline = rows.task.request.get("response_format") == "b64_json"
        blobs = await self._views.blobs(rows) if inline else None
        return self._views.view(rows, base_url=base_url, now=self._clock.now(), blobs=blobs)
