"""Delivers what the outbox holds: each event at least once, under one id, for about a day (wire-facts 6.3, D57)."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog

from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.ids import new_id
from app.gateway.faults import NO_FAULTS, Faults
from app.gateway.webhooks import message
from app.media.door import UNDELIVERED, Door, Patience
from app.media.guard import parse_url
from app.store import accounts, audit, outbox
from app.store.accounts import Account
from app.store.audit import Change
from app.store.database import Database, Tx
from app.store.outbox import Delivery

log = structlog.get_logger(__name__)

LOOK_S: Final = 1.0
BATCH: Final = 32
HOST_MAX: Final = 4
"""Deliveries to one host at once: a slow receiver keeps only itself waiting."""
PAUSES_S: Final = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 28_800.0, 30_000.0)
"""Before each further try; the last is repeated. With the eight tries that are usual, the last comes after a day."""
JITTER: Final = 0.1
_GONE: Final = 410


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """`timeout_s`: for a receiver to answer; `tries`: in all."""

    timeout_s: float = 10.0
    tries: int = 8


class HostPlaces:
    """Places at each host that somebody delivers to or waits for; of other hosts nothing is remembered."""

    def __init__(self) -> None:
        self._places: dict[str, asyncio.Semaphore] = {}
        self._wanted: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many hosts are remembered."""
        return len(self._places)

    @asynccontextmanager
    async def place(self, host: str) -> AsyncIterator[None]:
        """One of the host's `HOST_MAX` places, waited for."""
        places = self._places.setdefault(host, asyncio.Semaphore(HOST_MAX))
        self._wanted[host] += 1
        try:
            async with places:
                yield
        finally:
            self._wanted[host] -= 1
            if not self._wanted[host]:
                del self._wanted[host], self._places[host]


class Deliveries:
    """Sends webhooks until it is cancelled; what is cut off then is sent again, under the same id."""

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        door: Door,
        rng: random.Random,
        limits: DeliveryLimits,
        faults: Faults = NO_FAULTS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._door = door
        self._rng = rng
        self._limits = limits
        self._faults = faults
        self._hosts = HostPlaces()

    async def run(self) -> None:
        """Looks for what is due on the clock."""
        while True:
            try:
                while await self.deliver_due():
                    pass
            except GatewayError as error:
                log.warning("webhooks.failed", error=error.code)
            await self._clock.sleep(LOOK_S)

    async def deliver_due(self) -> int:
        """Tries what is due now; how many. Raises: Overloaded (storage_unavailable)."""
        at = self._clock.now()
        # As long as all of a batch may take one after another at one host: nobody else tries them meanwhile.
        seconds = self._limits.timeout_s * (BATCH / HOST_MAX + 1)
        due = await self._database.write(lambda tx: outbox.take_due(tx, at=at, seconds=seconds, limit=BATCH))
        await asyncio.gather(*(self._deliver(delivery) for delivery in due))
        return len(due)

    async def _deliver(self, delivery: Delivery) -> None:
        account = await self._database.read(lambda tx: accounts.get(tx, delivery.account_id))
        assert account is not None, "accounts are never removed"
        self._faults.at("webhook.taken")
        async with self._hosts.place(urlsplit(delivery.url).netloc):
            status = await self._send(delivery, account)
        self._faults.at("webhook.sent")
        at = self._clock.now()
        await self._database.write(lambda tx: self._note(tx, delivery, status, at))
        log.info("webhook.tried", delivery=delivery.id, task_id=delivery.task_id, status=status)

    async def _send(self, delivery: Delivery, account: Account) -> int | None:
        """The receiver's status; None when there was none. Redirects are not followed, answers not read."""
        body, headers = message(delivery, account, now=self._clock.now())
        patience = Patience(idle_s=self._limits.timeout_s)
        try:
            async with (
                asyncio.timeout(self._limits.timeout_s),
                self._door.send(
                    "POST", parse_url(delivery.url), headers=headers, content=body, patience=patience
                ) as response,
            ):
                return response.status_code
        except UNDELIVERED:
            return None

    def _note(self, tx: Tx, delivery: Delivery, status: int | None, at: float) -> None:
        if status is not None and 200 <= status < 300:
            outbox.mark_delivered(tx, delivery.id, status=status, at=at)
        elif status == _GONE:
            outbox.give_up(tx, delivery.id, status=status)
            _forget_url(tx, delivery, at)
        elif delivery.attempts >= self._limits.tries:
            outbox.give_up(tx, delivery.id, status=status)
        else:
            pause_s = PAUSES_S[min(delivery.attempts, len(PAUSES_S)) - 1]
            delay_s = pause_s * self._rng.uniform(1 - JITTER, 1 + JITTER)
            outbox.retry(tx, delivery.id, status=status, at=at, delay_s=delay_s)


def _forget_url(tx: Tx, delivery: Delivery, at: float) -> None:
    """The receiver wants no more: an account that names it, names it no longer."""
    account = accounts.get(tx, delivery.account_id)
    if account is None or account.webhook_url != delivery.url:
        return
    accounts.patch(tx, account.id, {"webhook_url": None})
    before, after = {"webhook_url": delivery.url}, {"webhook_url": None}
    audit.record(tx, Change(new_id("aud"), at, "webhook receiver", "account.changed", account.id, before, after))
