"""One paid call of a vendor: the pictures, or that it has accepted the work. Deadlines live here, meaning does not."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from app.core.clock import Clock
from app.core.exchange import Call, Failure, Json, VendorFailure
from app.core.image import ImageRequest, ImageResult, Pending
from app.core.media import Blobs
from app.core.tracing import PLACE
from app.gateway.attempt_records import AttemptRecords
from app.gateway.glimpses import Glimpses
from app.gateway.plan import Stop
from app.gateway.polls import TOO_SLOW
from app.gateway.waiting import Waiting
from app.gateway.work import Work
from app.media.spool import SpoolFolder
from app.store.attempts import Attempt
from app.upstream.client import VendorClient
from app.upstream.credentials import credential_id
from app.upstream.trial import Trial

RESUMED_POLL_AFTER_S: Final = 0.5


class Conversation:
    """Speaks with vendors for the dispatcher."""

    def __init__(self, *, clock: Clock, client: VendorClient, records: AttemptRecords) -> None:
        self._clock = clock
        self._client = client
        self._records = records

    async def ask(
        self, work: Work, attempt: Attempt, stop: Stop, trial: Trial, request: ImageRequest, folder: SpoolFolder
    ) -> ImageResult | Waiting:
        """Sends the request, within the vendor's time and the task's: its pictures, or what is to be waited for.

        Raises: VendorFailure; Cancelled and LeaseLost, before anything was sent.
        """
        sent = False

        async def before_send(credential: str, call: Call) -> None:
            nonlocal sent
            if call.billable and not sent:
                await self._records.sent(work, attempt, credential=credential)
                sent = True

        try:
            return await self._ask(work, attempt, stop, trial, request, folder, before_send)
        except TimeoutError as error:
            raise VendorFailure(Failure.TIMED_OUT if sent else Failure.UNAVAILABLE, TOO_SLOW) from error

    async def _ask(
        self,
        work: Work,
        attempt: Attempt,
        stop: Stop,
        trial: Trial,
        request: ImageRequest,
        folder: SpoolFolder,
        before_send: Callable[[str, Call], Awaitable[None]],
    ) -> ImageResult | Waiting:
        async with asyncio.timeout(self._left_s(work)) as limit:
            async with trial.credential(within_s=self._left_s(work)) as credential:
                limit.reschedule(asyncio.get_running_loop().time() + self._patience_s(stop, work))
                until = self._until(stop, work)
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
            return _waiting(work, attempt, stop, trial, outcome, credential, until)

    def resume(self, work: Work, attempt: Attempt, stop: Stop, trial: Trial) -> Waiting:
        """What an earlier owner sent and the vendor accepted; it is never sent again.

        Vendors know work only by the credential that created it: only where that is gone is each tried in turn.
        """
        assert attempt.handle is not None
        known = {credential_id(key): key for key in stop.vendor.api_keys}
        pending = Pending(attempt.handle, RESUMED_POLL_AFTER_S)
        credential = known.get(attempt.credential or "")
        return _waiting(work, attempt, stop, trial, pending, credential, self._until(stop, work))

    def _left_s(self, work: Work) -> float:
        return work.deadline_at - self._clock.now()

    def _patience_s(self, stop: Stop, work: Work) -> float:
        return min(stop.vendor.timeout_s, self._left_s(work))

    def _until(self, stop: Stop, work: Work) -> float:
        return self._clock.monotonic() + self._patience_s(stop, work)


def _waiting(
    work: Work, attempt: Attempt, stop: Stop, trial: Trial, pending: Pending, credential: str | None, until: float
) -> Waiting:
    return Waiting(
        attempt=attempt,
        lease_token=work.lease_token,
        stop=stop,
        trial=trial,
        pending=pending,
        credential=credential,
        until=until,
        place=PLACE.get(),
        tells_progress=work.request.n == 1,  # one picture of several says nothing of the others
    )


def _watcher(stop: Stop, glimpses: Glimpses | None) -> Callable[[Json, Blobs], None] | None:
    """Shows what a vendor's stream has of unfinished pictures; None when nobody looks."""
    if glimpses is None:
        return None

    def on_event(event: Json, blobs: Blobs) -> None:
        if (glimpse := stop.dialect.glimpse(event, blobs)) is not None:
            glimpses.show(glimpse)

    return on_event
