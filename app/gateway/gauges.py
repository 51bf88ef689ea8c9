"""What is so at this moment, read when somebody looks: queues, money held, deliveries, disks, vendors' health.

Numbers of the database are the whole installation's, whichever replica tells them; the others are this process's.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.media.spool import Spool
from app.store.database import Database
from app.store.statistics import OpenHolds, Statistics, kept_pictures, open_holds, statistics
from app.upstream.pool import VendorPool

FRESH_S: Final = 5.0
"""The database is asked at most this often, however many look."""
PICTURES_FRESH_S: Final = 300.0
SETTLED_S: Final = 600.0
"""No transaction takes longer: timeouts of the databases end it."""
ALIVE_S: Final = 60.0
FORGOTTEN_S: Final = 3600.0
"""A process that was killed never says that it leaves: after this it is no news any more."""

Families = Iterator[GaugeMetricFamily]
Rows = Iterable[tuple[Sequence[str], float]]


@dataclass(frozen=True, slots=True)
class _Read:
    """What the database said at `at` (unix seconds), and until when (monotonic) it is believed."""

    at: float
    until: float
    numbers: Statistics
    holds: OpenHolds


class Gauges:
    """Reads and renders."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        catalog: Callable[[], Catalog],
        pool: VendorPool,
        drained: Callable[[], frozenset[str]],
        spool: Spool,
    ) -> None:
        self._database = database
        self._clock = clock
        self._catalog = catalog
        self._pool = pool
        self._drained = drained
        self._spool = spool
        self._last: _Read | None = None
        self._pictures: tuple[float, int, int] | None = None

    async def read(self, *others: GaugeMetricFamily) -> CollectorRegistry:
        """All gauges as they are now, and `others`. Those of a database or a disk that does not answer are missing."""
        registry = CollectorRegistry(auto_describe=False)
        families = [*self._of_process(), *self._of_vendors(), *others]
        try:
            families += [gauge("database_up", "Whether the database answers.", 1), *await self._of_database()]
        except GatewayError:
            families.append(gauge("database_up", "Whether the database answers.", 0))
        try:
            spooled, free = await self._spool.usage()
        except GatewayError:
            pass
        else:
            families.append(gauge("spool_bytes", "Bytes of unfinished pictures on disk.", spooled))
            families.append(gauge("disk_free_bytes", "Bytes that are free where pictures are spooled.", free))
        registry.register(_Given(families))
        return registry

    def _of_process(self) -> Families:
        build = [((_version(), platform.python_version()), 1.0)]
        yield _gauges("build_info", "Which build this is.", ("version", "python"), build)
        yield gauge("catalog_revision", "The catalog in force.", self._catalog().revision)

    def _of_vendors(self) -> Families:
        vendors = [vendor for vendor in self._catalog().vendors.values() if vendor.configured]
        health = {vendor.name: self._pool.health(vendor) for vendor in vendors}
        drained = self._drained()

        def by_vendor(name: str, told: str, values: dict[str, float]) -> GaugeMetricFamily:
            return _gauges(name, told, ("vendor",), (((vendor,), value) for vendor, value in values.items()))

        states = {
            name: {"closed": 0.0, "half_open": 1.0, "open": 2.0}[one.health.breaker] for name, one in health.items()
        }
        yield by_vendor("vendor_breaker_state", "0: it serves; 1: a probe finds out; 2: it is left alone.", states)
        ready = {name: float(one.credentials_ready) for name, one in health.items()}
        yield by_vendor("vendor_credentials_ready", "Credentials that are not cooling down.", ready)
        running = {name: float(one.in_use) for name, one in health.items()}
        yield by_vendor("vendor_calls_running", "Calls under way to the vendor.", running)
        waiting = {name: float(one.waiting) for name, one in health.items()}
        yield by_vendor("vendor_calls_waiting", "Work that waits for a place at the vendor.", waiting)
        yield by_vendor(
            "vendor_drained",
            "1: operators let it have no new work.",
            {name: float(name in drained) for name in health},
        )

    async def _of_database(self) -> Families:
        read = await self._read()
        numbers, holds, now = read.numbers, read.holds, read.at
        by_state = ((("queued",), numbers.queued), (("in_progress",), numbers.in_progress))
        silent_s = [now - at for at in numbers.heartbeats_at if now - at < FORGOTTEN_S]
        alive = sum(seconds <= ALIVE_S for seconds in silent_s)
        processes = ((("alive",), alive), (("silent",), len(silent_s) - alive))
        exposure = (((vendor,), float(units)) for vendor, units in numbers.exposure_units.items())
        _, count, size_bytes = await self._kept_pictures()
        return iter(
            [
                _gauges("tasks", "Image tasks that have not ended.", ("status",), by_state),
                gauge("queue_oldest_age_seconds", "Of queued tasks.", _age(numbers.oldest_queued_at, now)),
                gauge("holds_open", "Holds without a capture or release.", holds.count),
                gauge("hold_oldest_age_seconds", "Of open holds.", _age(holds.oldest_at, now)),
                gauge("held_units", "Units held of all accounts.", numbers.held_units),
                gauge("attempts_unknown", "Attempts whose outcome nobody knows.", numbers.unknown_attempts),
                _gauges("exposure_units", "Units that vendors may yet bill for those.", ("vendor",), exposure),
                gauge("webhooks_pending", "Webhooks to be delivered.", numbers.webhooks_pending),
                gauge("webhook_oldest_age_seconds", "Of those.", _age(numbers.oldest_webhook_at, now)),
                _gauges("processes", "Processes that work on tasks, by heartbeat.", ("state",), processes),
                gauge("media_pictures", "Pictures kept.", count),
                gauge("media_bytes", "Bytes of pictures kept.", size_bytes),
            ]
        )

    async def _read(self) -> _Read:
        last, at, now = self._last, self._clock.now(), self._clock.monotonic()
        if last is not None and now < last.until:
            return last
        resolved_to = 0 if last is None else last.holds.resolved_to
        numbers = await self._database.read(statistics)
        holds = await self._database.read(
            lambda tx: open_holds(tx, resolved_to=resolved_to, settled_before=at - SETTLED_S)
        )
        self._last = _Read(at, now + FRESH_S, numbers, holds)
        return self._last

    async def _kept_pictures(self) -> tuple[float, int, int]:
        now = self._clock.monotonic()
        if self._pictures is None or now >= self._pictures[0]:
            self._pictures = (now + PICTURES_FRESH_S, *await self._database.read(kept_pictures))
        return self._pictures


class _Given(Collector):
    """Families that are known already."""

    def __init__(self, families: Sequence[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._families


def gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    """A gauge without labels, `oneshape_` before its name."""
    return GaugeMetricFamily(f"oneshape_{name}", told, value=value)


def _gauges(name: str, told: str, labels: Sequence[str], rows: Rows) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"oneshape_{name}", told, labels=labels)
    for values, value in rows:
        family.add_metric(values, value)
    return family


def _version() -> str:
    """The installed version; in a checkout that is not installed there is none."""
    try:
        return version("oneshape")
    except PackageNotFoundError:
        return "unknown"


def _age(since: float | None, now: float) -> float:
    return 0.0 if since is None else max(now - since, 0.0)
