"""What is written about an attempt, and when: each line is committed before the step that it announces (L10).

Every write names the lease: who has lost it stops here, before anything is sent for somebody else's task (T4).
"""

from collections.abc import Callable

from app.core.attempt import AttemptState
from app.core.clock import Clock
from app.core.exchange import Failure, VendorFailure
from app.core.ids import new_id
from app.core.pricing import images_charge
from app.gateway.faults import NO_FAULTS, Faults
from app.gateway.persist import write_persistently
from app.gateway.plan import Stop
from app.gateway.work import Cancelled, Work
from app.store import attempts, tasks
from app.store.attempts import Attempt, Result
from app.store.database import Database, Tx
from app.upstream.credentials import credential_id
from app.wire.vendor_errors import without_keys


class AttemptRecords:
    """Writes attempts down. Every method raises LeaseLost when the task is no longer this owner's."""

    def __init__(self, database: Database, *, clock: Clock, faults: Faults = NO_FAULTS) -> None:
        self._database = database
        self._clock = clock
        self._faults = faults

    async def intended(self, work: Work, stop: Stop, *, slot: int, ordinal: int, count: int) -> Attempt:
        """A new attempt, of which nothing has left. Raises: Cancelled."""
        attempt = Attempt(
            id=new_id("att"),
            task_id=work.task_id,
            slot=slot,
            ordinal=ordinal,
            vendor=stop.vendor.name,
            vendor_model=stop.target.model,
            images_asked=count,
            created_at=self._clock.now(),
        )
        if await self._write(work, lambda tx: attempts.intend(tx, attempt), unless_cancelled=True):
            raise Cancelled(work.task_id)
        self._faults.at("attempt.intended")
        return attempt

    async def sent(self, work: Work, attempt: Attempt, *, credential: str) -> None:
        """From now on bytes may leave, with that credential. Raises: Cancelled; then nothing leaves."""
        at, name = self._clock.now(), credential_id(credential)
        if await self._write(
            work, lambda tx: attempts.mark_sent(tx, attempt.id, at=at, credential=name), unless_cancelled=True
        ):
            await self.not_sent(work, attempt)
            raise Cancelled(work.task_id)
        self._faults.at("attempt.sent")

    async def not_sent(self, work: Work, attempt: Attempt) -> None:
        """Nothing has left, and nothing will."""
        result = Result(AttemptState.REFUSED, failure=Failure.UNREACHABLE.value, detail="cancelled before it was sent")
        await self._resolve(work, attempt, result)

    async def accepted(self, work: Work, attempt: Attempt, handle: str) -> None:
        """The vendor's own id of accepted work; from now on it is polled, never sent again."""
        self._faults.at("attempt.answered")

        def unit(tx: Tx) -> None:
            tasks.demand_lease(tx, work.task_id, work.lease_token)
            known = attempts.get(tx, attempt.id)
            if known is None or known.handle != handle:
                attempts.store_handle(tx, attempt.id, handle=handle)

        await write_persistently(self._database, self._clock, unit)
        self._faults.at("attempt.accepted")

    async def failed(self, work: Work, attempt: Attempt, stop: Stop, failure: VendorFailure) -> None:
        """Refused: nothing is owed. Otherwise the vendor may bill, which is booked as exposure unless it said it drew
        nothing.
        """
        owed = failure.failure.unanswered or failure.failure is Failure.UNREADABLE
        result = Result(
            _state_after(failure.failure),
            failure=failure.failure.value,
            detail=without_keys(failure.detail),
            http_status=failure.status,
            exposure_units=images_charge(stop.target.cost, attempt.images_asked) if owed else 0,
        )
        await self._resolve(work, attempt, result)
        self._faults.at("attempt.failed")

    async def _resolve(self, work: Work, attempt: Attempt, result: Result) -> None:
        at = self._clock.now()
        await self._write(work, lambda tx: attempts.resolve(tx, attempt.id, result, at=at))

    async def _write(self, work: Work, unit: Callable[[Tx], None], *, unless_cancelled: bool = False) -> bool:
        """Runs the unit under the lease; true when the client has cancelled and it was therefore not run."""

        def fenced(tx: Tx) -> bool:
            cancelled = tasks.demand_lease(tx, work.task_id, work.lease_token) and unless_cancelled
            if not cancelled:
                unit(tx)
            return cancelled

        return await self._database.write(fenced)


def _state_after(failure: Failure) -> AttemptState:
    if failure.not_accepted:
        return AttemptState.REFUSED
    return AttemptState.UNKNOWN if failure.unanswered else AttemptState.ACCEPTED
