"""The use case: a client asks for pictures and gets them, or a clear error, and every unit is accounted for."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from app.core.errors import GatewayError, Overloaded
from app.core.image import ImageAnswer, ImageRequest
from app.core.task import TaskStatus
from app.gateway.admission import Admission, Repeated, Wanted
from app.gateway.caller import Caller
from app.gateway.execution import Execution
from app.gateway.glimpses import Glimpses
from app.gateway.idempotency import Claim
from app.gateway.task_views import TaskViews
from app.gateway.watch import TaskWatch, untold
from app.gateway.work import Surface
from app.media.spool import SpoolFolder


@dataclass(frozen=True, slots=True)
class Order:
    """A task that somebody waits for. It finishes whether they wait or not.

    `doing` is there when this request began it here; a repeat waits for what another request began, and is shown no
    `glimpses`.
    """

    task_id: str
    account_id: str
    model: str
    created_at: float
    doing: "asyncio.Task[None] | None" = None
    glimpses: Glimpses | None = None


class Images:
    """Takes orders for pictures and serves them."""

    def __init__(self, *, admission: Admission, execution: Execution, watch: TaskWatch, views: TaskViews) -> None:
        self._admission = admission
        self._execution = execution
        self._watch = watch
        self._views = views

    async def order(
        self,
        caller: Caller,
        request: ImageRequest,
        folder: SpoolFolder,
        *,
        surface: Surface,
        strict: bool = False,
        base_url: str = "",
        claim: Claim | None = None,
    ) -> Order:
        """Admits the request and sets it going, or joins the task that it repeats. `folder` holds the request's bytes;
        the order releases it when it is done.

        Raises: GatewayError, when it is not admitted: nothing was held, no vendor called, the folder is still the
        caller's.
        """
        wanted = Wanted(request, surface, strict=strict, base_url=base_url, claim=claim)
        admitted = await self._admission.admit(caller, wanted, folder)
        if isinstance(admitted, Repeated):
            await folder.release()
            return await self._joined(caller.account.id, admitted.task_id)
        assert admitted.work is not None
        task = admitted.task
        glimpses = Glimpses() if request.stream and request.partial_images else None
        doing = self._execution.begin(replace(admitted.work, glimpses=glimpses), folder)
        return Order(task.id, task.account_id, task.model, task.created_at, doing, glimpses)

    async def done_within(self, order: Order, seconds: float) -> bool:
        """Waits so long at most; whether the order's task has ended."""
        rows = await self._watch.outcome(order.task_id, account_id=order.account_id, seconds=seconds)
        return rows.task.status.terminal

    async def answer(self, order: Order, *, base_url: str, with_bytes: bool) -> ImageAnswer:
        """Waits for an order's pictures. Cancelling the wait cancels nothing else. `with_bytes`: they will be inlined.

        Raises: GatewayError, as the task's error says.
        """
        if order.doing is not None:
            with suppress(GatewayError):  # not even a failure could be written: the next owner of the task will
                await asyncio.shield(order.doing)
        rows = await self._watch.outcome(order.task_id, account_id=order.account_id)
        try:
            return await self._views.answer(rows, base_url=base_url, with_bytes=with_bytes)
        except Overloaded as error:
            if rows.task.status is not TaskStatus.SUCCEEDED:
                raise  # that is the task's own error
            raise untold(order.task_id) from error  # the picture is paid for, and cannot be read now

    async def _joined(self, account_id: str, task_id: str) -> Order:
        task = (await self._watch.look(task_id, account_id=account_id)).task
        return Order(task.id, task.account_id, task.model, task.created_at)
