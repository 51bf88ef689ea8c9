"""Ends a task: what was drawn, what it costs and what the client is told become true together, in one fenced
transaction.
"""

from collections.abc import Callable
from dataclasses import asdict

from app.core.attempt import AttemptState
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.image import DeliveredImage
from app.core.media import EXTENSIONS
from app.core.pricing import images_charge
from app.core.task import TaskStatus
from app.gateway.bell import Bell
from app.gateway.faults import NO_FAULTS, Faults
from app.gateway.metrics import Metrics
from app.gateway.persist import write_persistently
from app.gateway.task_views import error_record
from app.gateway.work import Drawn, Work
from app.store import attempts, ledger, media, tasks
from app.store.attempts import Result
from app.store.database import Database, Tx
from app.store.media import Media
from app.store.tasks import Finish, Task

Announce = Callable[[Tx, str, float], None]
"""Writes what outsiders are to be told of a task that has just ended, in the transaction that ends it (T10)."""


class Settlement:
    """Settles tasks. `media_ttl_s`: how long their pictures are kept."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        media_ttl_s: float,
        bell: Bell,
        announce: Announce,
        metrics: Metrics,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._media_ttl_s = media_ttl_s
        self._bell = bell
        self._announce = announce
        self._metrics = metrics
        self._faults = faults

    async def succeed(self, work: Work, drawn: Drawn) -> None:
        """Charges for the stored pictures and frees the rest of the hold.

        Raises: LeaseLost when the task is no longer this owner's; nothing is written then.
        """
        now = self._clock.now()
        outcome = Finish(
            TaskStatus.SUCCEEDED,
            units=images_charge(work.price, len(drawn.images)),
            images_delivered=len(drawn.images),
            warnings=[asdict(warning) for warning in (*work.request.warnings, *drawn.warnings)],
            usage=asdict(drawn.usage),
            text=drawn.text,
            expires_at=now + self._media_ttl_s,
        )

        def unit(tx: Tx) -> None:
            tasks.finish(tx, work.task_id, lease_token=work.lease_token, outcome=outcome, at=now)
            pictures = [self._media(work, position, image, now) for position, image in enumerate(drawn.images)]
            media.insert_all(tx, pictures)
            for done in drawn.done:
                result = Result(
                    AttemptState.ACCEPTED, images_delivered=done.images_delivered, cost_units=done.cost_units
                )
                attempts.resolve(tx, done.attempt_id, result, at=now)
            ledger.capture(tx, charge_id=work.task_id, units=outcome.units, at=now)
            self._announce(tx, work.task_id, now)

        await self._settle(work.task_id, work.account_id, unit)
        self._metrics.task_ended(
            outcome.status, model=work.request.model, pictures=outcome.images_delivered, units=outcome.units
        )

    async def fail(self, task_id: str, account_id: str, error: GatewayError, *, lease_token: str | None) -> None:
        """Releases the hold: nothing was delivered, so nothing is charged. `lease_token` None: it was still queued.

        Raises: LeaseLost.
        """
        now = self._clock.now()
        await self._settle(
            task_id, account_id, lambda tx: self.fail_within(tx, task_id, error, lease_token=lease_token, at=now)
        )
        self._metrics.task_ended(TaskStatus.FAILED)

    def fail_within(self, tx: Tx, task_id: str, error: GatewayError, *, lease_token: str | None, at: float) -> None:
        """As `fail`, inside a transaction that also found out that it has failed."""
        task = tasks.get(tx, task_id)
        outcome = Finish(TaskStatus.FAILED, error=error_record(error), warnings=_asked_warnings(task))
        self._end(tx, task_id, outcome, lease_token=lease_token, reason=error.code, at=at)

    def cancel_within(self, tx: Tx, task_id: str, *, lease_token: str | None, at: float) -> None:
        """Ends a task of which nothing was sent, because its client said so. Raises: LeaseLost."""
        outcome = Finish(TaskStatus.CANCELLED, warnings=_asked_warnings(tasks.get(tx, task_id)))
        self._end(tx, task_id, outcome, lease_token=lease_token, reason="cancelled", at=at)

    async def cancel(self, task_id: str, account_id: str, *, lease_token: str) -> None:
        """As `cancel_within`, for the owner of a task in progress. Raises: LeaseLost."""
        now = self._clock.now()
        await self._settle(
            task_id, account_id, lambda tx: self.cancel_within(tx, task_id, lease_token=lease_token, at=now)
        )
        self._metrics.task_ended(TaskStatus.CANCELLED)

    def ended_within(self, task_id: str, status: TaskStatus) -> None:
        """To call when what `fail_within` or `cancel_within` wrote is committed: tells those who wait, and counts."""
        self._bell.ring(task_id)
        self._metrics.task_ended(status)

    def _end(self, tx: Tx, task_id: str, outcome: Finish, *, lease_token: str | None, reason: str, at: float) -> None:
        tasks.finish(tx, task_id, lease_token=lease_token, outcome=outcome, at=at)
        ledger.release(tx, charge_id=task_id, reason=reason, at=at)
        self._announce(tx, task_id, at)

    async def _settle(self, task_id: str, account_id: str, unit: Callable[[Tx], None]) -> None:
        self._faults.at("settlement.before")
        await write_persistently(self._database, self._clock, unit, account_id=account_id)
        self._faults.at("settlement.after")
        self._bell.ring(task_id)

    def _media(self, work: Work, position: int, image: DeliveredImage, now: float) -> Media:
        return Media(
            id=image.media_id,
            task_id=work.task_id,
            account_id=work.account_id,
            role="output",
            position=position,
            mime=image.mime,
            extension=EXTENSIONS[image.mime],
            width=image.width,
            height=image.height,
            size_bytes=image.size_bytes,
            sha256=image.sha256,
            revised_prompt=image.revised_prompt,
            created_at=now,
            expires_at=now + self._media_ttl_s,
        )


def _asked_warnings(task: Task | None) -> list[dict[str, str]]:
    return [] if task is None else list(task.request.get("warnings", ()))
