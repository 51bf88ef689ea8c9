"""Removes records that are older than their settings keep them, in small steps; never an entry of the ledger."""

from dataclasses import asdict, dataclass
from typing import Final

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.gateway.metrics import Metrics
from app.store.database import Database, Tx
from app.store.retention import Before, Pruned, prune, take_turn

log = structlog.get_logger(__name__)

DAY_S: Final = 24 * 3600.0
EVERY_S: Final = 3600.0
BATCH: Final = 200
"""Tasks, chats and audit records of one transaction: on SQLite everybody waits for it."""


@dataclass(frozen=True, slots=True)
class KeptDays:
    """For how many days each kind is kept; None: for ever."""

    tasks: int | None = None
    chats: int | None = None
    audit: int | None = None

    def before(self, now: float) -> Before:
        """What is old at unix seconds `now`."""
        days = {"tasks": self.tasks, "chats": self.chats, "audit": self.audit}
        return Before(**{kind: None if kept is None else now - kept * DAY_S for kind, kept in days.items()})


class Retention:
    """Looks every hour for what has become old. Of all processes one removes at a time."""

    def __init__(self, database: Database, *, clock: Clock, kept: KeptDays, metrics: Metrics) -> None:
        self._database = database
        self._clock = clock
        self._kept = kept
        self._metrics = metrics

    async def run(self) -> None:
        """Removes until cancelled; what cannot be done now is done next time."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.remove()
            except GatewayError as error:
                log.warning("retention.failed", error=error.code)

    async def remove(self) -> Pruned:
        """Removes what is old, as long as no other process does; what that was. Raises: Overloaded."""
        before, removed = self._kept.before(self._clock.now()), Pruned()

        def unit(tx: Tx) -> Pruned:
            return prune(tx, before=before, limit=BATCH) if take_turn(tx) else Pruned()

        while True:
            began = self._clock.monotonic()
            if not (batch := await self._database.write(unit)):
                break
            removed += batch
            self._metrics.removed(asdict(batch))
            await self._clock.sleep(self._clock.monotonic() - began)  # half of the time is everybody else's
        if removed:
            log.info("retention.removed", **asdict(removed))
        return removed
