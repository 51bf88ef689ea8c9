"""Gets a request drawn: targets in order, attempts recorded before they are sent, pictures stored before they count.

What a vendor accepts and shows later is not waited for here: it is told as such, and taken in when it has come. No
transaction is open while a vendor thinks. Another target is tried only when the one before provably did not take
the work, whoever asked it: what an earlier owner of the task has tried counts.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from app.core.attempt import AttemptState
from app.core.exchange import Failure, VendorFailure
from app.core.image import ImageRequest, ImageResult
from app.core.pricing import images_charge
from app.gateway.attempt_records import AttemptRecords
from app.gateway.conversation import Conversation
from app.gateway.faults import NO_FAULTS, Faults
from app.gateway.inputs import told
from app.gateway.outputs import OutputDesk, as_asked, mismatches
from app.gateway.plan import ATTEMPTS_MAX, Stop
from app.gateway.polls import Answer
from app.gateway.waiting import Waiting
from app.gateway.work import AttemptDone, Drawn, Past, Work
from app.media.spool import SpoolFolder
from app.store.attempts import Attempt
from app.upstream.pool import VendorPool
from app.upstream.trial import Trial


@dataclass(frozen=True, slots=True)
class _Share:
    """Neighbouring pictures of a task whose last attempt is the same; None: they were never asked for."""

    first: int
    count: int
    last: Past | None


class Dispatcher:
    """Drives a work's request through its stops."""

    def __init__(
        self,
        *,
        records: AttemptRecords,
        conversation: Conversation,
        outputs: OutputDesk,
        pool: VendorPool,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._records = records
        self._conversation = conversation
        self._outputs = outputs
        self._pool = pool
        self._faults = faults

    async def draw(self, work: Work, folder: SpoolFolder) -> Drawn:
        """The pictures that could be had, up to `work.request.n`, stored; the failures of what could not; and what is
        to be waited for. Broken: by LeaseLost, by Cancelled, else only by a bug or our own storage's failure.

        Files that are only needed meanwhile are put into `folder`.
        """
        return await together(self._share(work, folder, share) for share in _shares(work.past, work.request.n))

    async def take(self, work: Work, waiting: Waiting, answer: Answer, folder: SpoolFolder) -> Drawn:
        """What has come of something that was waited for, as `draw` tells it."""
        return await together([self._take(work, waiting, answer, folder)])

    async def _take(self, work: Work, waiting: Waiting, answer: Answer, folder: SpoolFolder) -> Drawn:
        attempt, stop, trial = waiting.attempt, waiting.stop, waiting.trial
        request = replace(work.request, n=attempt.images_asked)
        with trial:
            try:
                async with self._recorded(work, attempt, stop, trial):
                    if isinstance(answer, Exception):
                        raise answer
                    return await self._delivered(folder, stop, trial, attempt, request, answer)
            except VendorFailure as failure:
                return Drawn(failures=(failure,))

    async def _share(self, work: Work, folder: SpoolFolder, share: _Share) -> Drawn:
        if share.last is None:
            return await self._fill(work, folder, share.first, share.count, work.stops, ordinal=0)
        attempt, stop = share.last.attempt, share.last.stop
        if attempt.state is AttemptState.ACCEPTED and attempt.finished_at is None and stop is not None:
            trial = self._pool.trial(stop.target, retry=False, last=True)
            assert trial is not None, "work that can go nowhere else is always tried"
            return Drawn(waiting=(self._conversation.resume(work, attempt, stop, trial),))
        failed = Drawn(failures=(_failure_of(attempt),))
        others = _untried(work, share.first, attempt.ordinal + 1)
        if not attempt.state.allows_another or not others:
            return failed
        return failed + await self._fill(work, folder, share.first, share.count, others, ordinal=attempt.ordinal + 1)

    async def _fill(
        self,
        work: Work,
        folder: SpoolFolder,
        first: int,
        count: int,
        stops: Sequence[Stop],
        *,
        ordinal: int,
        called: bool = False,
    ) -> Drawn:
        """Asks the first stop for `count` pictures, in as many calls as it needs, all at once.

        `called`: some vendor was called for them before.
        """
        if not stops:
            return Drawn()
        per_call = stops[0].takes.images_per_call
        return await together(
            self._one_call(work, folder, first + done, min(per_call, count - done), stops, ordinal, called)
            for done in range(0, count, per_call)
        )

    async def _one_call(
        self, work: Work, folder: SpoolFolder, first: int, count: int, stops: Sequence[Stop], ordinal: int, called: bool
    ) -> Drawn:
        stop, *others = stops
        trial = self._pool.trial(stop.target, retry=called, last=not others)
        if trial is None:
            return await self._fill(work, folder, first, count, others, ordinal=ordinal, called=called)
        with ExitStack() as ends:
            ends.enter_context(trial)
            try:
                drawn = await self._attempt(work, folder, stop, trial, first, count, ordinal=ordinal)
                if drawn.waiting:
                    ends.pop_all()  # the trial goes on with what is waited for
                return drawn
            except VendorFailure as failure:
                failed = Drawn(failures=(failure,))
                if not failure.failure.not_accepted:
                    return failed
        called = called or trial.called
        return failed + await self._fill(work, folder, first, count, others, ordinal=ordinal + 1, called=called)

    async def _attempt(
        self, work: Work, folder: SpoolFolder, stop: Stop, trial: Trial, first: int, count: int, *, ordinal: int
    ) -> Drawn:
        """One try at one target. Raises: VendorFailure, with the attempt recorded as what it then is."""
        request = told(work.request, stop.takes, count)
        attempt = await self._records.intended(work, stop, slot=first, ordinal=ordinal, count=count)
        async with self._recorded(work, attempt, stop, trial):
            answer = await self._conversation.ask(work, attempt, stop, trial, request, folder)
            if isinstance(answer, Waiting):
                return Drawn(waiting=(answer,))
            return await self._delivered(folder, stop, trial, attempt, request, answer)

    @asynccontextmanager
    async def _recorded(self, work: Work, attempt: Attempt, stop: Stop, trial: Trial) -> AsyncIterator[None]:
        """Records a vendor's failure inside as the attempt's, and tells the vendor's health; it is raised on."""
        try:
            yield
        except VendorFailure as failure:
            trial.failed(failure)
            await self._records.failed(work, attempt, stop, failure)
            raise

    async def _delivered(
        self,
        folder: SpoolFolder,
        stop: Stop,
        trial: Trial,
        attempt: Attempt,
        request: ImageRequest,
        answered: ImageResult,
    ) -> Drawn:
        """Pictures taken in. Raises: VendorFailure, when there are none in what the vendor answered."""
        self._faults.at("vendor.answered")
        images = await self._outputs.keep(answered, request, folder)
        trial.span.answered(input_tokens=answered.usage.input_tokens, output_tokens=answered.usage.output_tokens)
        trial.delivered(as_asked=as_asked(images, request))
        self._faults.at("media.stored")
        cost = images_charge(stop.target.cost, len(images))
        return Drawn(
            images=tuple(replace(image, slot=attempt.slot) for image in images),
            text=answered.text,
            usage=answered.usage,
            warnings=stop.ignores(request) + mismatches(images, request),
            done=(AttemptDone(attempt.id, len(images), cost),),
        )


async def together(calls: Iterable[Coroutine[Any, Any, Drawn]]) -> Drawn:
    """What all of them brought. All are awaited, whatever becomes of one: each may have been paid for."""
    ended = await asyncio.gather(*calls, return_exceptions=True)
    return sum((part if isinstance(part, Drawn) else Drawn(broken=part) for part in ended), Drawn())


def _shares(past: Sequence[Past], n: int) -> list[_Share]:
    """A task's pictures by the last attempt that asked for them."""
    last: list[Past | None] = [None] * n
    for one in sorted(past, key=lambda one: one.attempt.ordinal):
        attempt = one.attempt
        last[attempt.slot : attempt.slot + attempt.images_asked] = [one] * attempt.images_asked
    shares: list[_Share] = []
    for position, one_or_none in enumerate(last[:n]):
        if shares and shares[-1].last is one_or_none:
            shares[-1] = _Share(shares[-1].first, shares[-1].count + 1, one_or_none)
        else:
            shares.append(_Share(position, 1, one_or_none))
    return shares


def _untried(work: Work, position: int, ordinal: int) -> list[Stop]:
    """The stops that an earlier owner has not sent this picture to, as many as there may be attempts yet."""
    tried = {
        (one.attempt.vendor, one.attempt.vendor_model)
        for one in work.past
        if one.attempt.sent_at is not None
        and one.attempt.slot <= position < one.attempt.slot + one.attempt.images_asked
    }
    left = [stop for stop in work.stops if (stop.vendor.name, stop.target.model) not in tried]
    return left[: max(ATTEMPTS_MAX - ordinal, 0)]


def _failure_of(attempt: Attempt) -> VendorFailure:
    """Why an earlier owner's attempt came to nothing, as it was recorded."""
    failure = Failure(attempt.failure) if attempt.failure else Failure.CUT
    return VendorFailure(failure, attempt.detail or "", status=attempt.http_status)
