"""Opens what every use case stands on, in order: database, storage, catalog, connections, what is known of vendors."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.core.ids import new_id
from app.core.media import MediaStore
from app.core.tracing import Calling, unrecorded
from app.gateway.backups import Backups
from app.gateway.catalog.database import DatabaseSource, start_with_starter
from app.gateway.catalog.desk import CatalogDesk
from app.gateway.catalog.live import FileSource, LiveCatalog, Source, nothing_earlier
from app.gateway.catalog.prices import PriceHistory
from app.gateway.metrics import Metrics
from app.gateway.place_leases import PlaceLeases
from app.gateway.routing import Router
from app.gateway.shared_health import SharedHealth
from app.gateway.shared_metrics import FOLDER
from app.media.door import Door
from app.media.fetch import Fetcher, FetchLimits
from app.media.guard import AddressPolicy, SystemResolver
from app.media.local import LocalMediaStore
from app.media.own_directory import OwnDirectory, sweep
from app.media.pictures import VENDOR_LIMITS, Converter
from app.media.signing import MediaSigner
from app.media.spool import Spool
from app.media.transport import ExactTransport
from app.settings import PREFIX, Secrets, Settings, SettingsInvalid
from app.store import migrate
from app.store.database import Database
from app.upstream.bulletin import Bulletin
from app.upstream.client import CallLimits, VendorClient
from app.upstream.health import BreakerRules
from app.upstream.http import HttpTransport
from app.upstream.pool import VendorPool
from app.upstream.transport import VendorTransport
from app.wiring.traces import open_traces

if TYPE_CHECKING:
    from app.gateway.tracing import Traces

MB: Final = 2**20


@dataclass(frozen=True, slots=True)
class Ground:
    """What every use case stands on. `process` is the name of this process among all."""

    process: str
    settings: Settings
    clock: Clock
    database: Database
    catalog: LiveCatalog
    catalog_desk: CatalogDesk
    media: MediaStore
    spool: Spool
    signer: MediaSigner
    door: Door
    fetcher: Fetcher
    converter: Converter
    client: VendorClient
    light: HttpTransport
    pool: VendorPool
    shared: SharedHealth
    router: Router
    metrics: Metrics
    traces: "Traces | None"

    def current(self) -> Catalog:
        """The catalog in force."""
        return self.catalog.current


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database at the newest schema."""
    if not settings.postgres:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = await Database.open(settings.database_url, pool_size=settings.database_pool)
    try:
        # Bringing it there would lock it and read every row, for a foreign key that may be broken: a look is cheap.
        if await database.read(migrate.revision_of) != migrate.head():
            await migrate.upgrade(settings.database_url)
        yield database
    finally:
        await database.close()


async def open_ground(
    stack: AsyncExitStack,
    settings: Settings,
    secrets: Secrets,
    *,
    env: Mapping[str, str],
    clock: Clock,
    source: Source | None,
    traces: "Traces | None",
) -> Ground:
    """Opens what has to be opened, and leaves on the stack how it is closed."""
    database = await stack.enter_async_context(open_database(settings))
    media, spool = await _open_storage(stack, settings, env, clock)
    source = source or await catalog_source(settings, database, clock)
    catalog, catalog_desk = await _open_catalog(source, secrets, database, env, clock)
    stack.push_async_callback(_stop, asyncio.create_task(catalog.run(), name="catalog"))
    history = PriceHistory(database, clock=clock, catalog=lambda: catalog.current)
    stack.push_async_callback(_stop, asyncio.create_task(history.run(), name="prices"))
    converter = Converter(limits=replace(VENDOR_LIMITS, max_pixels=settings.max_pixels))
    stack.push_async_callback(converter.close)
    transport, light = VendorTransport(), HttpTransport()
    stack.push_async_callback(transport.aclose)
    stack.push_async_callback(light.aclose)
    metrics, process = Metrics(_shared_metrics(env)), new_id("prc")
    traces = traces or open_traces(stack, env, tells_vendors=settings.trace_vendors)
    calling = unrecorded if traces is None else traces.calling
    pool, shared = _open_vendors(stack, settings, database, clock, lambda: catalog.current, metrics, calling, process)
    door = await _open_door(stack, settings)
    return Ground(
        process=process,
        settings=settings,
        clock=clock,
        database=database,
        catalog=catalog,
        catalog_desk=catalog_desk,
        media=media,
        spool=spool,
        signer=MediaSigner(secrets.secret_key.encode(), clock=clock),
        door=door,
        fetcher=_fetcher(settings, door, clock),
        converter=converter,
        client=VendorClient(transport, clock=clock, limits=_call_limits(settings), light=light),
        light=light,
        pool=pool,
        shared=shared,
        router=Router(pool, drained=shared.drained, rng=random.SystemRandom()),
        metrics=metrics,
        traces=traces,
    )


def _open_vendors(
    stack: AsyncExitStack,
    settings: Settings,
    database: Database,
    clock: Clock,
    catalog: Callable[[], Catalog],
    metrics: Metrics,
    calling: Calling,
    process: str,
) -> tuple[VendorPool, SharedHealth]:
    """What is known of vendors, here and by all processes; places there are borrowed from what all may use."""
    asked, bulletin = asyncio.Event(), Bulletin()
    pool = VendorPool(
        clock,
        rng=random.SystemRandom(),
        rules=BreakerRules(settings.breaker_failures, settings.breaker_open_s),
        seen=metrics.attempt,
        calling=calling,
        bulletin=bulletin,
        short=asked.set,
    )
    leases = PlaceLeases(database, clock=clock, places=pool.places, asked=asked, catalog=catalog, process=process)
    shared = SharedHealth(database, clock=clock, catalog=catalog, pool=pool, bulletin=bulletin, process=process)
    stack.push_async_callback(_give_back, leases)
    stack.push_async_callback(_stop, asyncio.create_task(leases.run(), name="places"))
    stack.push_async_callback(_stop, asyncio.create_task(shared.run(), name="shared_health"))
    return pool, shared


def backups_of(settings: Settings, database: Database, clock: Clock, *, actor: str = "admin") -> Backups:
    """Where backups go."""
    return Backups(database, settings.data_dir / "backups", clock=clock, actor=actor)


async def _open_storage(
    stack: AsyncExitStack, settings: Settings, env: Mapping[str, str], clock: Clock
) -> tuple[MediaStore, Spool]:
    """Where pictures end up, and where they are until then."""
    await asyncio.to_thread(sweep, settings.unfinished_dir)
    own = await asyncio.to_thread(OwnDirectory.claim, settings.unfinished_dir)
    stack.callback(own.close)
    spool = Spool(own.path / "spool", max_bytes=settings.max_spool_mb * MB)
    await spool.prepare()
    if settings.media_in_bucket:
        return _bucket(settings, env, spool, clock), spool
    room = settings.min_free_disk_mb * MB
    store = LocalMediaStore(settings.media_dir, temporary=own.path / "temporary", min_free_bytes=room)
    await store.prepare()
    return store, spool


def _bucket(settings: Settings, env: Mapping[str, str], spool: Spool, clock: Clock) -> MediaStore:
    try:
        from app.media.s3 import S3MediaStore  # noqa: PLC0415 - there only with the extra s3
    except ModuleNotFoundError as error:
        raise SettingsInvalid([f"{PREFIX}MEDIA_URL: install oneshape[s3] to keep pictures in a bucket"]) from error
    return S3MediaStore.at(
        settings.media_url,
        spool=spool,
        clock=clock,
        endpoint=settings.media_s3_endpoint,
        env=env,
        presigned=settings.media_delivery == "presigned",
        public_endpoint=settings.media_s3_public_endpoint,
    )


async def catalog_source(settings: Settings, database: Database, clock: Clock) -> Source:
    """The catalog's file where one is set; else the database, which begins with the starter."""
    if settings.catalog is not None:
        return FileSource(settings.catalog)
    await start_with_starter(database, clock=clock)
    return DatabaseSource(database)


async def _open_catalog(
    source: Source, secrets: Secrets, database: Database, env: Mapping[str, str], clock: Clock
) -> tuple[LiveCatalog, CatalogDesk]:
    """The catalog in force, and the desk that changes it where it is the database's."""
    secret_key = secrets.secret_key.encode()
    log = structlog.get_logger("app.gateway.catalog")
    earlier = source.earlier if isinstance(source, DatabaseSource) else nothing_earlier
    live = await LiveCatalog.open(source, env=env, secret_key=secret_key, clock=clock, log=log, earlier=earlier)
    desk = CatalogDesk(
        database,
        source,
        editable=isinstance(source, DatabaseSource),
        env=env,
        secret_key=secret_key,
        clock=clock,
        changed=live.refresh,
    )
    return live, desk


async def _open_door(stack: AsyncExitStack, settings: Settings) -> Door:
    resolver, transport = SystemResolver(), ExactTransport()
    stack.callback(resolver.close)
    stack.push_async_callback(transport.aclose)
    policy = AddressPolicy(str(network) for network in settings.allow_private_networks)
    return Door(policy, resolver=resolver, transport=transport)


def _fetcher(settings: Settings, door: Door, clock: Clock) -> Fetcher:
    """Vendors' pictures were paid for: they get more time."""
    inputs = FetchLimits(settings.max_file_mb * MB, settings.fetch_timeout_s)
    results = FetchLimits(settings.max_result_file_mb * MB, 2 * settings.fetch_timeout_s)
    return Fetcher(door, clock=clock, inputs=inputs, results=results)


def _call_limits(settings: Settings) -> CallLimits:
    return CallLimits(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.image_first_byte_s,
        idle_s=settings.vendor_idle_s,
        reply_bytes=settings.max_vendor_reply_mb * MB,
        blob_bytes=settings.max_result_file_mb * MB,
    )


async def _give_back(leases: PlaceLeases) -> None:
    with suppress(GatewayError):  # Without a database they run out by themselves.
        await leases.give_back_all()


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _shared_metrics(env: Mapping[str, str]) -> Path | None:
    """The folder that `serve --workers` made for its processes."""
    folder = env.get(FOLDER)
    return Path(folder) if folder else None
