"""Gets a request drawn: targets in order, attempts recorded before they are sent, pictures stored before they count.

No transaction is open while a vendor thinks. Another target is tried only when the one before provably did not take
the work.
"""

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from app.core.attempt import AttemptState
from app.core.clock import Clock
from app.core.exchange import Call, Failure, VendorFailure
from app.core.ids import new_id
from app.core.image import ImageRequest, ImageResult, Pending
from app.core.pricing import images_charge
from app.gateway.inputs import told
from app.gateway.outputs import OutputDesk, mismatches
from app.gateway.plan import Stop
from app.gateway.work import AttemptDone, Drawn, Work
from app.media.spool import SpoolFolder
from app.store import attempts, tasks
from app.store.attempts import Attempt, Result
from app.store.database import Database
from app.upstream.client import VendorClient
from app.upstream.pool import VendorPool

log = structlog.get_logger(__name__)

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
"""Asking about accepted work costs nothing, so these end nothing while there is time. Pages and odd statuses
are Pending by the dialect already: what it calls unreadable is a finished task whose picture is broken, and stays so.
"""


class Dispatcher:
    """Drives a work's request through its stops."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        client: VendorClient,
        pool: VendorPool,
        outputs: OutputDesk,
    ) -> None:
        self._database = database
        self._clock = clock
        self._client = client
        self._pool = pool
        self._outputs = outputs

    async def draw(self, work: Work, folder: SpoolFolder) -> Drawn:
        """The pictures that could be had, up to `work.request.n`, stored; and the failures of what could not.

        Files that are only needed meanwhile are put into `folder`. Raises only what is a bug or our own storage's
        failure.
        """
        return await self._fill(work, folder, first=0, count=work.request.n, stops=work.stops)

    async def _fill(self, work: Work, folder: SpoolFolder, *, first: int, count: int, stops: tuple[Stop, ...]) -> Drawn:
        """Asks the first stop for `count` pictures, in as many calls as it needs, all at once."""
        per_call = stops[0].takes.images_per_call
        calls = [
            self._one_call(work, folder, first=first + done, count=min(per_call, count - done), stops=stops)
            for done in range(0, count, per_call)
        ]
        # All are awaited, whatever becomes of one: each may have been paid for.
        ended = await asyncio.gather(*calls, return_exceptions=True)
        drawn = sum((part for part in ended if isinstance(part, Drawn)), Drawn())
        broken = next((part for part in ended if isinstance(part, BaseException)), None)
        if broken is not None and not drawn.images:
            raise broken
        return drawn

    async def _one_call(
        self, work: Work, folder: SpoolFolder, *, first: int, count: int, stops: tuple[Stop, ...]
    ) -> Drawn:
        stop, *others = stops
        try:
            return await self._attempt(work, folder, stop, first=first, count=count)
        except VendorFailure as failure:
            failed = Drawn(failures=(failure,))
            if not failure.failure.not_accepted or not others:
                return failed
            return failed + await self._fill(work, folder, first=first, count=count, stops=tuple(others))

    async def _attempt(self, work: Work, folder: SpoolFolder, stop: Stop, *, first: int, count: int) -> Drawn:
        """One try at one target. Raises: VendorFailure, with the attempt recorded as what it then is."""
        attempt_id = new_id("att")
        request = told(work.request, stop.takes, count)
        attempt = Attempt(
            id=attempt_id,
            task_id=work.task_id,
            slot=first,
            ordinal=work.stops.index(stop),
            vendor=stop.vendor.name,
            vendor_model=stop.target.model,
            images_asked=count,
            created_at=self._clock.now(),
        )
        await self._database.write(lambda tx: attempts.intend(tx, attempt))
        try:
            result = await self._converse(work, folder, stop, request, attempt_id)
            images = await self._outputs.keep(result, request, folder)
        except VendorFailure as failure:
            await self._record_failure(attempt_id, stop, count, failure)
            raise
        cost = images_charge(stop.target.cost, len(images))
        return Drawn(
            images=images,
            text=result.text,
            usage=result.usage,
            warnings=stop.ignores(request) + mismatches(images, request),
            done=(AttemptDone(attempt_id, len(images), cost),),
        )

    async def _converse(
        self, work: Work, folder: SpoolFolder, stop: Stop, request: ImageRequest, attempt_id: str
    ) -> ImageResult:
        """The whole exchange with one vendor, polls included, within its time and the task's."""
        remaining_s = work.deadline_at - self._clock.now()
        sent = False

        async def before_send(call: Call) -> None:
            nonlocal sent
            if call.billable and not sent:
                await self._database.write(lambda tx: attempts.mark_sent(tx, attempt_id, at=self._clock.now()))
                sent = True

        async with self._pool.credential(stop.vendor) as credential:
            try:
                async with asyncio.timeout(min(stop.vendor.timeout_s, remaining_s)):
                    outcome = await self._client.drive(
                        stop.dialect.start(request, stop.target),
                        stop.vendor,
                        credential=credential,
                        open_sink=folder.open_sink,
                        before_send=before_send,
                    )
                    if isinstance(outcome, Pending):
                        return await self._wait_for(outcome, work, folder, stop, credential, attempt_id)
                    return outcome
            except TimeoutError as error:
                raise VendorFailure(
                    Failure.TIMED_OUT if sent else Failure.UNAVAILABLE, "not done within the vendor's time"
                ) from error

    async def _wait_for(
        self, pending: Pending, work: Work, folder: SpoolFolder, stop: Stop, credential: str, attempt_id: str
    ) -> ImageResult:
        """Polls accepted work until it is done. The vendor's own id is committed before anything else happens."""
        handle = pending.handle
        await self._database.write(lambda tx: attempts.store_handle(tx, attempt_id, handle=handle))
        while True:
            await self._clock.sleep(pending.poll_after_s)
            try:
                outcome = await self._client.drive(
                    stop.dialect.poll(handle, stop.target),
                    stop.vendor,
                    credential=credential,
                    open_sink=folder.open_sink,
                )
            except VendorFailure as failure:
                if failure.failure not in _WORTH_ASKING_AGAIN and not (failure.status or 0) >= 500:
                    raise VendorFailure(_final(failure.failure), failure.detail, status=failure.status) from failure
                log.info("poll.failed", task_id=work.task_id, failure=failure.failure.value)
                continue
            if isinstance(outcome, ImageResult):
                return outcome
            if outcome.progress > pending.progress:
                await self._tell_progress(work, outcome.progress)
            pending = replace(outcome, progress=max(outcome.progress, pending.progress))

    async def _tell_progress(self, work: Work, progress: int) -> None:
        """Percent of the whole task: one picture of several says nothing of the others, so only single ones are told."""
        if work.request.n == 1:
            await self._database.write(
                lambda tx: tasks.set_progress(tx, work.task_id, lease_token=work.lease_token, progress=progress)
            )

    async def _record_failure(self, attempt_id: str, stop: Stop, count: int, failure: VendorFailure) -> None:
        """Refused: nothing is owed. Otherwise the vendor may bill, which is booked as exposure unless it said it drew
        nothing.
        """
        if failure.failure.not_accepted:
            state = AttemptState.REFUSED
        elif failure.failure.unanswered:
            state = AttemptState.UNKNOWN
        else:
            state = AttemptState.ACCEPTED
        owed = failure.failure.unanswered or failure.failure is Failure.UNREADABLE
        result = Result(
            state,
            failure=failure.failure.value,
            detail=failure.detail,
            http_status=failure.status,
            exposure_units=images_charge(stop.target.cost, count) if owed else 0,
        )
        await self._database.write(lambda tx: attempts.resolve(tx, attempt_id, result, at=self._clock.now()))


def _final(failure: Failure) -> Failure:
    """Work that was accepted can no longer be refused: whatever the poll says, no other target may be tried."""
    return Failure.FAILED if failure.not_accepted else failure
