"""What operators look at and steer, as one value: vendors, what would become of a request, probes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.dialect import ImageDialect
from app.gateway.backups import Backups
from app.gateway.bills import Bills
from app.gateway.explain import Explainer
from app.gateway.plan import Planner
from app.gateway.probe import Prober
from app.gateway.routing import Router
from app.gateway.shared_health import SharedHealth
from app.gateway.vendors import Vendors
from app.media.fetch import Fetcher
from app.media.pictures import Converter
from app.media.spool import Spool
from app.store.database import Database
from app.upstream.client import VendorClient
from app.upstream.pool import VendorPool


@dataclass(frozen=True, slots=True)
class Operations:
    """The operators' use cases."""

    vendors: Vendors
    explainer: Explainer
    backups: Backups
    bills: Bills


def make_operations(
    *,
    database: Database,
    clock: Clock,
    catalog: Callable[[], Catalog],
    dialects: Mapping[str, ImageDialect],
    pool: VendorPool,
    shared: SharedHealth,
    router: Router,
    client: VendorClient,
    fetcher: Fetcher,
    converter: Converter,
    spool: Spool,
    backups: Backups,
) -> Operations:
    """All of them, on the same health and the same catalog."""
    prober = Prober(
        catalog=catalog,
        dialects=dialects,
        client=client,
        pool=pool,
        fetcher=fetcher,
        converter=converter,
        spool=spool,
        clock=clock,
    )

    async def named() -> frozenset[str]:
        return frozenset(catalog().vendors)

    return Operations(
        vendors=Vendors(database=database, catalog=catalog, pool=pool, shared=shared, prober=prober, clock=clock),
        explainer=Explainer(database=database, catalog=catalog, router=router, planner=Planner(dialects, router)),
        backups=backups,
        bills=Bills(database, clock=clock, vendors=named),
    )
