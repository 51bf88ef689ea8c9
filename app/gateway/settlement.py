"""Ends a task: what was drawn, what it costs and what the client is told become true together, in one fenced
transaction.
"""

from dataclasses import asdict

from app.core.attempt import AttemptState
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.image import DeliveredImage
from app.core.media import EXTENSIONS
from app.core.pricing import images_charge
from app.core.task import TaskStatus
from app.gateway.work import Drawn, Work
from app.store import attempts, ledger, media, tasks
from app.store.attempts import Result
from app.store.database import Database, Tx
from app.store.media import Media
from app.store.tasks import Finish


class Settlement:
    """Settles works. `media_ttl_s`: how long their pictures are kept."""

    def __init__(self, database: Database, *, clock: Clock, media_ttl_s: float) -> None:
        self._database = database
        self._clock = clock
        self._media_ttl_s = media_ttl_s

    async def succeed(self, work: Work, drawn: Drawn) -> Finish:
        """Charges for the stored pictures and frees the rest of the hold. Returns what the task now says.

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
        await self._database.write(lambda tx: self._succeed(tx, work, drawn, outcome, now))
        return outcome

    async def fail(self, work: Work, error: GatewayError) -> None:
        """Releases the hold: nothing was delivered, so nothing is charged. Raises: LeaseLost."""
        outcome = Finish(TaskStatus.FAILED, error=error.body(), warnings=[asdict(w) for w in work.request.warnings])
        now = self._clock.now()

        def unit(tx: Tx) -> None:
            tasks.finish(tx, work.task_id, lease_token=work.lease_token, outcome=outcome, at=now)
            ledger.release(tx, charge_id=work.task_id, reason=error.code, at=now)

        await self._database.write(unit)

    def _succeed(self, tx: Tx, work: Work, drawn: Drawn, outcome: Finish, now: float) -> None:
        tasks.finish(tx, work.task_id, lease_token=work.lease_token, outcome=outcome, at=now)
        media.insert_all(tx, [self._media(work, position, image, now) for position, image in enumerate(drawn.images)])
        for done in drawn.done:
            result = Result(AttemptState.ACCEPTED, images_delivered=done.images_delivered, cost_units=done.cost_units)
            attempts.resolve(tx, done.attempt_id, result, at=now)
        ledger.capture(tx, charge_id=work.task_id, units=outcome.units, at=now)

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
