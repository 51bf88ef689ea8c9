"""Borrows places at vendors for this process, so that all processes together never have more calls under way than a
vendor's `concurrency` (ADR 12).

A process that has too few asks at once, with a few to spare; one that sees others wanting gives back what is beyond its
fair share as its work ends. Nothing is written while what it holds is enough, but a renewal now and then.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.store import places as rows
from app.store.database import Database
from app.store.places import Ask, Others
from app.upstream.places import Places

log = structlog.get_logger(__name__)

EVERY_S: Final = 1.0
"""How often others' wants are looked at, while this process holds something."""
AGAIN_S: Final = 0.2
"""How soon is asked again while somebody here waits."""
LEASE_S: Final = 30.0
RENEW_S: Final = 8.0
LAPSE_S: Final = 20.0
"""After so long without a renewal nothing new begins: before anybody else may count on these places."""
IDLE_S: Final = 30.0
"""What was not used for so long is given back."""
SPARE: Final = 8
"""An eighth of a vendor's concurrency is asked for beyond what is needed, so that bursts do not ask one by one."""


class PlaceLeases:
    """Keeps `places()` of each vendor granted. `process` is who borrows."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        places: Callable[[], Mapping[str, Places]],
        asked: asyncio.Event,
        catalog: Callable[[], Catalog],
        process: str,
    ) -> None:
        """`asked` is set by whoever waits for a place."""
        self._database = database
        self._clock = clock
        self._places = places
        self._catalog = catalog
        self._process = process
        self._asked = asked
        self._others: Mapping[str, Others] = {}
        self._written: dict[str, int] = {}
        self._used_at: dict[str, float] = {}
        self._yielded_until: dict[str, float] = {}
        self._renewed_at = self._looked_at = clock.monotonic()
        self._reachable = True

    async def run(self) -> None:
        """Borrows and gives back until cancelled. While the database is away, what is held is used until it lapses."""
        while True:
            try:
                await self.settle()
                self._reachable = True
            except GatewayError as error:
                if self._reachable:
                    log.error("places.unreachable", error=str(error))
                self._reachable = False
                self._lapse()
            if any(one.waiting for one in self._places().values()):
                await self._clock.sleep(AGAIN_S)
            else:
                await self._wait()

    async def settle(self) -> None:
        """Looks at what others want, and borrows or gives back what that makes right. Raises: Overloaded."""
        now, at = self._clock.monotonic(), self._clock.now()
        self._asked.clear()
        if self._written and now - self._looked_at >= EVERY_S:
            self._others = await self._database.read(lambda tx: rows.others(tx, self._process, at=at))
            self._looked_at = now
        renewing = bool(self._written) and now - self._renewed_at >= RENEW_S
        asks, limits = [], self._limits()
        for vendor, places in self._places().items():
            limit = limits.get(vendor, places.limit)  # What was taken out of the catalog may have work yet.
            target = self._target(vendor, places, limit, now)
            if target < places.granted:
                places.grant(target)
            needed = places.in_use + places.waiting
            if renewing or max(target, places.held) != self._written.get(vendor, 0):
                asks.append(Ask(vendor, target, places.held, needed, limit))
        if not asks:
            return
        given = await self._database.write(
            lambda tx: rows.lend(tx, self._process, asks, lease_s=LEASE_S, at=self._clock.now())
        )
        if renewing or not self._written:
            self._renewed_at = now
        self._take_over(asks, given)

    async def give_back_all(self) -> None:
        """Nothing of this process is under way any more. Raises: Overloaded."""
        for one in self._places().values():
            one.grant(0)
        self._written.clear()
        await self._database.write(lambda tx: rows.give_back_all(tx, self._process))

    def _take_over(self, asks: list[Ask], given: Mapping[str, int]) -> None:
        places = self._places()
        for ask in asks:
            got = given[ask.vendor]
            if got or ask.needed:
                self._written[ask.vendor] = got
            else:
                self._written.pop(ask.vendor, None)
            places[ask.vendor].grant(min(got, ask.target))

    def _target(self, vendor: str, places: Places, limit: int, now: float) -> int:
        """How many places this process should have by what is known."""
        needed, peak = places.in_use + places.waiting, places.peak()
        if needed or peak:
            self._used_at[vendor] = now
        elif now - self._used_at.get(vendor, now) >= IDLE_S:
            return 0
        want = places.granted
        if needed > want:
            want = needed + max(needed // 2, limit // SPARE, 1)
        want = min(want, limit)
        others = self._others.get(vendor, Others())
        if not (others.wanted or others.held + places.held > limit):
            return want
        fair = limit // (others.processes + 1)
        return min(want, fair, needed) if fair else self._turn(vendor, places, now)

    def _turn(self, vendor: str, places: Places, now: float) -> int:
        """Where there are fewer places than processes, one has a place for a while, then another."""
        if places.granted:
            self._yielded_until[vendor] = now + EVERY_S
        return 0 if now < self._yielded_until.get(vendor, 0.0) else min(places.waiting, 1)

    def _limits(self) -> dict[str, int]:
        return {vendor.name: vendor.concurrency for vendor in self._catalog().vendors.values()}

    def _lapse(self) -> None:
        """Begins nothing new on places that others may soon be lent."""
        if self._clock.monotonic() - self._renewed_at >= LAPSE_S:
            for one in self._places().values():
                one.grant(0)

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(EVERY_S):
                await self._asked.wait()
        except TimeoutError:
            return
