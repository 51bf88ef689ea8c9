"""What operators see of vendors and how they steer them: drained ones get nothing new, on any replica."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from app.core.catalog import Catalog, Vendor
from app.core.clock import Clock
from app.core.errors import NotFound
from app.core.ids import new_id
from app.gateway.probe import Finding, Prober, Progress, Scope, document_of
from app.gateway.shared_health import SharedHealth
from app.store import attempts, audit, fleet, probes
from app.store.database import Database, Tx
from app.store.probes import Probed
from app.upstream.pool import VendorHealth, VendorPool


@dataclass(frozen=True, slots=True)
class VendorView:
    """A vendor of the catalog in force. `exposure_units`: what it may yet bill for answers that never came.

    `health` is what this process has seen, and what others told of breakers and credentials.
    """

    vendor: Vendor
    models: tuple[str, ...]
    drained: bool
    exposure_units: int
    health: VendorHealth


class Vendors:
    """Shows and steers vendors. `actor` names who does it."""

    def __init__(
        self,
        *,
        database: Database,
        catalog: Callable[[], Catalog],
        pool: VendorPool,
        shared: SharedHealth,
        prober: Prober,
        clock: Clock,
        actor: str = "admin",
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._pool = pool
        self._shared = shared
        self._prober = prober
        self._clock = clock
        self._actor = actor

    async def views(self) -> tuple[VendorView, ...]:
        """Every vendor, in the order of the catalog."""
        catalog = self._catalog()
        drained, exposure = await self._database.read(
            lambda tx: (fleet.drained(tx), attempts.exposure_by_vendor(tx)),
        )
        return tuple(
            VendorView(
                vendor=vendor,
                models=_models_of(catalog, vendor),
                drained=vendor.name in drained,
                exposure_units=exposure.get(vendor.name, 0),
                health=self._pool.health(vendor),
            )
            for vendor in catalog.vendors.values()
        )

    async def drain(self, name: str) -> VendorView:
        """Sends nothing new there; what is under way is finished. Raises: NotFound."""
        return await self._steer(name, drained=True)

    async def undrain(self, name: str) -> VendorView:
        """Lets it serve again. Raises: NotFound."""
        return await self._steer(name, drained=False)

    async def probe(
        self,
        name: str,
        *,
        scope: Scope = "all",
        only: Collection[str] = (),
        tell: Progress = lambda line: None,
    ) -> tuple[Finding, ...]:
        """Asks the vendor for something cheap of each model, which costs money; it is audited, and the findings are
        kept. Raises: as `Prober.probe`.
        """
        findings = await self._prober.probe(name, scope=scope, only=only, tell=tell)
        after = {"models": [one.model for one in findings], "failures": [one.failure for one in findings]}
        change = self._change("vendor.probed", name, before=None, after=after)

        def unit(tx: Tx) -> None:
            audit.record(tx, change)
            for one in findings:
                probes.record(tx, Probed(name, one.vendor_model, change.at, document_of(one)))

        await self._database.write(unit)
        return findings

    async def probed(self, name: str) -> tuple[Probed, ...]:
        """What the last probe of each of the vendor's models found. Raises: NotFound."""
        if name not in self._catalog().vendors:
            raise NotFound(f"There is no vendor {name!r}.")
        return await self._database.read(lambda tx: probes.list_for_vendor(tx, name))

    async def _steer(self, name: str, *, drained: bool) -> VendorView:
        if name not in self._catalog().vendors:
            raise NotFound(f"There is no vendor {name!r}.")
        action = "vendor.drained" if drained else "vendor.undrained"
        change = self._change(action, name, before={"drained": not drained}, after={"drained": drained})

        def unit(tx: Tx) -> None:
            if (name in fleet.drained(tx)) == drained:
                return
            if drained:
                fleet.drain(tx, name, actor=self._actor, at=change.at)
            else:
                fleet.undrain(tx, name)
            audit.record(tx, change)

        await self._database.write(unit)
        await self._shared.refresh()
        return next(view for view in await self.views() if view.vendor.name == name)

    def _change(
        self, action: str, name: str, *, before: Mapping[str, Any] | None, after: Mapping[str, Any]
    ) -> audit.Change:
        return audit.Change(new_id("aud"), self._clock.now(), self._actor, action, name, before=before, after=after)


def _models_of(catalog: Catalog, vendor: Vendor) -> tuple[str, ...]:
    serving = (
        model.id for model in catalog.models.values() if any(t.vendor.name == vendor.name for t in model.targets)
    )
    return tuple(sorted(serving))
