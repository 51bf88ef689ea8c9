"""One exchange with one vendor: the paid call, then polls until the pictures are there. Deadlines and patience live
here, meaning does not.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from app.core.clock import Clock
from app.core.exchange import Call, Failure, Json, VendorFailure
from app.core.image import ImageRequest, ImageResult, Pending
from app.core.media import Blobs
from app.gateway.attempt_records import AttemptRecords
from app.gateway.glimpses import Glimpses
from app.gateway.plan import Stop
from app.gateway.work import Work
from app.media.spool import SpoolFolder
from app.store.attempts import Attempt
from app.upstream.client import VendorClient
from app.upstream.credentials import credential_id
from app.upstream.trial import Trial

log = structlog.get_logger(__name__)

UNREADABLE_POLLS_MAX: Final = 5
"""Polls in a row that answer well and say nothing readable, before the work is given up."""
RESUMED_POLL_AFTER_S: Final = 0.5
_TOO_SLOW: Final = "not done within the vendor's time or the task's"

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
"""Asking about accepted work costs nothing, so these end nothing while there is time."""


class Conversation:
    """Speaks with vendors for the dispatcher."""

    def __init__(self, *, clock: Clock, client: VendorClient, records: AttemptRecords) -> None:
        self._clock = clock
        self._client = client
        self._records = records
        self._exchanges: Counter[str] = Counter()
        self._pauses: Counter[str] = Counter()

    def only_waits(self, task_id: str) -> bool:
        """Whether all that happens for a task here is waiting between polls: stopping it now loses nothing."""
        return 0 < self._exchanges[task_id] == self._pauses[task_id]

    async def ask(
        self, work: Work, attempt: Attempt, stop: Stop, trial: Trial, request: ImageRequest, folder: SpoolFolder
    ) -> ImageResult:
        """Sends the request and waits for its pictures, within the vendor's time and the task's.

        Raises: VendorFailure; Cancelled and LeaseLost, before anything was sent.
        """
        sent = False

        async def before_send(credential: str, call: Call) -> None:
            nonlocal sent
            if call.billable and not sent:
                await self._records.sent(work, attempt, credential=credential)
                sent = True

        try:
            with _counted(self._exchanges, work.task_id):
                return await self._ask(work, attempt, stop, trial, request, folder, before_send)
        except TimeoutError as error:
            raise VendorFailure(Failure.TIMED_OUT if sent else Failure.UNAVAILABLE, _TOO_SLOW) from error

    async def _ask(
        self,
        work: Work,
        attempt: Attempt,
        stop: Stop,
        trial: Trial,
        request: ImageRequest,
        folder: SpoolFolder,
        before_send: Callable[[str, Call], Awaitable[None]],
    ) -> ImageResult:
        async with asyncio.timeout(self._left_s(work)) as limit:
            async with trial.credential(within_s=self._left_s(work)) as credential:
                limit.reschedule(asyncio.get_running_loop().time() + self._patience_s(stop, work))
                trial.span.of_task(work.task_id)
                outcome = await self._client.drive(
                    stop.dialect.start(request, stop.target),
                    stop.vendor,
                    credential=credential,
                    open_sink=folder.open_sink,
                    before_send=partial(before_send, credential),
                    more_headers=trial.span.headers,
                    pictures=request.n * (request.partial_images + 1),
                    on_event=_watcher(stop, work.glimpses),
                )
            if isinstance(outcome, ImageResult):
                return outcome
            await self._records.accepted(work, attempt, outcome.handle)
            return await self._poll(work, stop, outcome, folder, credential=credential)

    async def resume(self, work: Work, attempt: Attempt, stop: Stop, trial: Trial, folder: SpoolFolder) -> ImageResult:
        """Polls what an earlier owner sent and the vendor accepted; it is never sent again. Raises: VendorFailure.

        Vendors know work only by the credential that created it: only where that is gone is each tried in turn.
        """
        assert attempt.handle is not None
        known = {credential_id(key): key for key in stop.vendor.api_keys}
        try:
            with _counted(self._exchanges, work.task_id):
                async with asyncio.timeout(self._patience_s(stop, work)):
                    return await self._poll(
                        work,
                        stop,
                        Pending(attempt.handle, RESUMED_POLL_AFTER_S),
                        folder,
                        credential=known.get(attempt.credential or "", trial),
                    )
        except TimeoutError as error:
            raise VendorFailure(Failure.TIMED_OUT, _TOO_SLOW) from error

    async def _poll(
        self, work: Work, stop: Stop, pending: Pending, folder: SpoolFolder, *, credential: str | Trial
    ) -> ImageResult:
        unreadable = 0
        while True:
            await self._pause(work, pending.poll_after_s)
            try:
                outcome = await self._poll_once(work, stop, pending.handle, folder, credential)
            except VendorFailure as failure:
                unreadable = unreadable + 1 if failure.failure is Failure.UNREADABLE else 0
                if not _worth_asking_again(failure, unreadable):
                    raise VendorFailure(_final(failure.failure), failure.detail, status=failure.status) from failure
                log.info("poll.failed", task_id=work.task_id, failure=failure.failure.value)
                continue
            if isinstance(outcome, ImageResult):
                return outcome
            unreadable = 0
            if outcome.progress > pending.progress:
                await self._records.progress(work, outcome.progress)
            pending = replace(outcome, progress=max(outcome.progress, pending.progress))

    async def _poll_once(
        self, work: Work, stop: Stop, handle: str, folder: SpoolFolder, credential: str | Trial
    ) -> ImageResult | Pending:
        """One poll, with the credential that created the work; where that is not known, each in turn."""
        if isinstance(credential, Trial):
            async with credential.credential(within_s=self._left_s(work)) as lent:
                credential.span.of_task(work.task_id)
                return await self._poll_once(work, stop, handle, folder, lent)
        poll = stop.dialect.poll(handle, stop.target)
        return await self._client.drive(
            poll, stop.vendor, credential=credential, open_sink=folder.open_sink, pictures=work.request.n
        )

    async def _pause(self, work: Work, seconds: float) -> None:
        with _counted(self._pauses, work.task_id):
            await self._clock.sleep(seconds)

    def _left_s(self, work: Work) -> float:
        return work.deadline_at - self._clock.now()

    def _patience_s(self, stop: Stop, work: Work) -> float:
        return min(stop.vendor.timeout_s, self._left_s(work))


def _watcher(stop: Stop, glimpses: Glimpses | None) -> Callable[[Json, Blobs], None] | None:
    """Shows what a vendor's stream has of unfinished pictures; None when nobody looks."""
    if glimpses is None:
        return None

    def on_event(event: Json, blobs: Blobs) -> None:
        if (glimpse := stop.dialect.glimpse(event, blobs)) is not None:
            glimpses.show(glimpse)

    return on_event


@contextmanager
def _counted(counter: Counter[str], task_id: str) -> Iterator[None]:
    counter[task_id] += 1
    try:
        yield
    finally:
        counter[task_id] -= 1
        if not counter[task_id]:
            del counter[task_id]


def _worth_asking_again(failure: VendorFailure, unreadable: int) -> bool:
    if failure.failure is Failure.UNREADABLE:
        return unreadable < UNREADABLE_POLLS_MAX
    return failure.failure in _WORTH_ASKING_AGAIN or (failure.status or 0) >= 500


def _final(failure: Failure) -> Failure:
    """Work that was accepted can no longer be refused: whatever the poll says, no other target may be tried."""
    return Failure.FAILED if failure.not_accepted else failure
