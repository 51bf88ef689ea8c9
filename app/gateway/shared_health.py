"""What all replicas know of vendors: which ones operators have drained, and what each has found out for itself. It is
written when it changes, and read every other second; no request reads or writes it.
"""

from collections.abc import Callable
from typing import Final

import structlog

from app.core.catalog import Catalog, Vendor
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.store import fleet, vendor_health
from app.store.database import Database, Tx
from app.store.vendor_health import Finding, Heard
from app.upstream.bulletin import Bulletin, model_of, of_credential, of_model
from app.upstream.credentials import credential_id
from app.upstream.health import News
from app.upstream.pool import VendorPool

log = structlog.get_logger(__name__)

EVERY_S: Final = 2.0
"""How often the database is asked: every replica has a drain or a breaker well within 5 s."""
USUAL_FACTOR: Final = 1.25
USUAL_EVERY_S: Final = 60.0
"""What a model usually takes is told again when it has changed by so much, and no more often than that."""


class SharedHealth:
    """Tells the other processes and hears them. While the database cannot be reached, what was known last counts."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        catalog: Callable[[], Catalog],
        pool: VendorPool,
        bulletin: Bulletin,
        process: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._catalog = catalog
        self._pool = pool
        self._bulletin = bulletin
        self._process = process
        self._drained: frozenset[str] = frozenset()
        self._heard: dict[tuple[str, str], tuple[object, ...]] = {}
        self._usual: dict[tuple[str, str], tuple[float, float]] = {}

    def drained(self) -> frozenset[str]:
        """The vendors that get no new work."""
        return self._drained

    async def run(self) -> None:
        """Refreshes now and every other second, and tells at once what has changed here, until cancelled."""
        refresh_at = self._clock.monotonic()
        while True:
            try:
                await self.tell()
                if self._clock.monotonic() >= refresh_at:
                    refresh_at = self._clock.monotonic() + EVERY_S
                    await self.refresh()
            except GatewayError as error:
                log.warning("health.not_shared", error=str(error))
                await self._clock.sleep(EVERY_S)
            await self._bulletin.rung(within_s=max(refresh_at - self._clock.monotonic(), 0.0))

    async def tell(self) -> None:
        """Writes what this process has found out since it last did. Raises: Overloaded; it is told later then."""
        changed = self._bulletin.take()
        if not changed:
            return
        vendors, at = self._catalog().vendors, self._clock.now()
        findings = [self._finding(vendors[name], subject) for name, subject in changed if name in vendors]
        try:
            await self._database.write(lambda tx: vendor_health.tell(tx, findings, process=self._process, at=at))
        except GatewayError:
            for name, subject in changed:
                self._bulletin.add(name, subject)
            raise

    async def refresh(self) -> None:
        """Hears what the others have found out, and who is drained. Raises: Overloaded."""
        at = self._clock.now()

        def news(tx: Tx) -> tuple[frozenset[str], tuple[Heard, ...]]:
            return fleet.drained(tx), vendor_health.heard(tx, at=at, beside=self._process)

        self._drained, heard = await self._database.read(news)
        for one in heard:
            self._take_over(one)
        self._tell_usual()

    def _finding(self, vendor: Vendor, subject: str) -> Finding:
        now = self._clock.monotonic()
        for one in self._pool.credentials(vendor).health(vendor.api_keys, now):
            if of_credential(one.id) == subject:
                return Finding(vendor.name, subject, "open", one.refusals, one.rest_s)
        watched = self._pool.watched(vendor, model_of(subject))
        news = watched.breaker.news(now)
        return Finding(vendor.name, subject, news.state, news.openings, news.rest_s, watched.pace.usual_s(now))

    def _take_over(self, heard: Heard) -> None:
        finding = heard.finding
        key = finding.vendor, finding.subject
        word = heard.changed_at, heard.process, finding.state, finding.openings
        vendor = self._catalog().vendors.get(finding.vendor)
        if vendor is None or self._heard.get(key) == word:
            return
        self._heard[key] = word
        now = self._clock.monotonic()
        if finding.subject.startswith(of_credential("")):
            for secret in vendor.api_keys:
                if of_credential(credential_id(secret)) == finding.subject:
                    self._pool.credentials(vendor).heard(
                        secret, rest_s=finding.rest_s, refusals=finding.openings, now=now
                    )
            return
        watched = self._pool.watched(vendor, model_of(finding.subject))
        watched.breaker.heard(News(finding.state, finding.openings, finding.rest_s), ago_s=heard.ago_s, now=now)
        if finding.usual_s is not None:
            watched.pace.told(finding.usual_s)

    def _tell_usual(self) -> None:
        """So that a process that starts finds silent vendors out as soon as one that has seen them at work."""
        now = self._clock.monotonic()
        for vendor in self._catalog().vendors.values():
            for model in self._pool.models(vendor):
                usual_s = self._pool.watched(vendor, model).pace.usual_s(now)
                told_s, told_at = self._usual.get((vendor.name, model), (0.0, -USUAL_EVERY_S))
                if usual_s is None or now - told_at < USUAL_EVERY_S:
                    continue
                if not told_s / USUAL_FACTOR <= usual_s <= told_s * USUAL_FACTOR:
                    self._usual[vendor.name, model] = (usual_s, now)
                    self._bulletin.add(vendor.name, of_model(model))
