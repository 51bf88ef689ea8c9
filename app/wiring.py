"""Opens everything in order and closes it in reverse. The only place that picks implementations."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.ids import new_id
from app.core.media import MediaStore
from app.dialects import DIALECTS
from app.gateway.accounts import Accounts
from app.gateway.admission import AdmissionLimits
from app.gateway.caller import Callers, KeyHasher
from app.gateway.catalog.database import DatabaseSource, start_with_starter
from app.gateway.catalog.desk import CatalogDesk
from app.gateway.catalog.live import FileSource, LiveCatalog, Source
from app.gateway.chat import Chats
from app.gateway.chat_books import ChatBooks
from app.gateway.chat_call import ChatCaller, ChatWaits
from app.gateway.drained import DrainedVendors
from app.gateway.faults import Faults
from app.gateway.gauges import Gauges
from app.gateway.limits import RateLimits, Rates
from app.gateway.machinery import Machinery, Tools, make_machinery
from app.gateway.metrics import Metrics
from app.gateway.plan import Planner
from app.gateway.routing import Router
from app.gateway.services import LoadLimits, Services, WebLimits
from app.media.door import Door
from app.media.fetch import Fetcher
from app.media.guard import AddressPolicy, SystemResolver
from app.media.local import LocalMediaStore
from app.media.own_directory import OwnDirectory, sweep
from app.media.pictures import Converter
from app.media.signing import MediaSigner
from app.media.spool import Spool
from app.media.transport import ExactTransport
from app.settings import PREFIX, Secrets, Settings, SettingsInvalid
from app.store import migrate
from app.store.database import Database
from app.upstream.client import CallLimits, VendorClient
from app.upstream.health import BreakerRules
from app.upstream.http import HttpTransport
from app.upstream.pool import VendorPool
from app.upstream.transport import VendorTransport
from app.worker.claim import ClaimLimits, Claims
from app.worker.heartbeat import Heartbeat
from app.worker.orphans import Orphans
from app.worker.sweep import Sweep
from app.worker.webhooks import Deliveries, DeliveryLimits
from app.worker.worker import Worker

MB: Final = 2**20
CLI_ACTOR: Final = "command line"
"""Who the audit says it was, where an operator works beside the gateway."""


@dataclass(frozen=True, slots=True)
class Operator:
    """What an operator's command needs: the database, and the use cases on it."""

    database: Database
    accounts: Accounts
    catalog: CatalogDesk


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The database at the newest schema."""
    if not settings.postgres:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    await migrate.upgrade(settings.database_url)
    database = await Database.open(settings.database_url, pool_size=settings.database_pool)
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def open_operator(
    settings: Settings, secrets: Secrets, *, env: Mapping[str, str], clock: Clock
) -> AsyncIterator[Operator]:
    """What `oneshape accounts`, `keys`, `ledger` and `catalog` work with, beside a gateway that may be running."""
    async with open_database(settings) as database:
        accounts = Accounts(database, KeyHasher(secrets.secret_key), clock=clock, actor=CLI_ACTOR)
        source = await _catalog_source(settings, database, clock)
        desk = CatalogDesk(
            database,
            source,
            editable=isinstance(source, DatabaseSource),
            env=env,
            secret_key=secrets.secret_key.encode(),
            clock=clock,
            actor=CLI_ACTOR,
        )
        yield Operator(database, accounts, desk)


@dataclass(frozen=True, slots=True)
class Ground:
    """What every use case stands on."""

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
    pool: VendorPool
    drained: DrainedVendors
    router: Router
    metrics: Metrics

    def current(self) -> Catalog:
        """The catalog in force."""
        return self.catalog.current


@asynccontextmanager
async def open_services(
    settings: Settings,
    secrets: Secrets,
    *,
    env: Mapping[str, str],
    clock: Clock,
    source: Source | None = None,
    tasks: bool = True,
) -> AsyncIterator[Services]:
    """A whole gateway. `env` is where the catalog's `env:NAME` keys are; `source` replaces the settings' catalog.

    `tasks`: whether it also does queued tasks, and those whose owner is gone.
    """
    async with AsyncExitStack() as stack:
        ground = await _open_ground(stack, settings, secrets, env=env, clock=clock, source=source)
        owner, faults = new_id("prc"), Faults(env.get("ONESHAPE_FAULTS"))
        machinery = _make_machinery(ground, owner, faults)
        worker = _make_worker(ground, machinery, owner, faults, tasks=tasks)
        stack.push_async_callback(worker.leave)
        stack.push_async_callback(machinery.execution.drain)
        stack.push_async_callback(worker.stop, grace_s=settings.grace_s)
        worker.start()
        hasher, metrics_token = KeyHasher(secrets.secret_key), settings.metrics_token
        yield Services(
            clock=clock,
            database=ground.database,
            catalog=ground.current,
            catalog_desk=ground.catalog_desk,
            callers=Callers(ground.database, hasher, clock=clock),
            rates=_open_rates(stack, settings, clock),
            accounts=Accounts(ground.database, hasher, clock=clock),
            images=machinery.images,
            chats=_make_chats(stack, ground),
            tasks=machinery.tasks,
            media=ground.media,
            signer=ground.signer,
            spool=ground.spool,
            metrics=ground.metrics,
            gauges=Gauges(ground.database, clock, ground.current, ground.pool, ground.drained.names, ground.spool),
            limits=_web_limits(settings),
            admin_key=secrets.admin_key,
            metrics_token=metrics_token and metrics_token.get_secret_value(),
            idempotency_s=settings.idempotency_hours * 3600.0,
            public_url=settings.public_url,
        )


async def _open_ground(
    stack: AsyncExitStack,
    settings: Settings,
    secrets: Secrets,
    *,
    env: Mapping[str, str],
    clock: Clock,
    source: Source | None,
) -> Ground:
    """Opens what has to be opened, and leaves on the stack how it is closed."""
    database = await stack.enter_async_context(open_database(settings))
    media, spool = await _open_storage(stack, settings, env)
    source = source or await _catalog_source(settings, database, clock)
    catalog, catalog_desk = await _open_catalog(source, secrets, database, env, clock)
    stack.push_async_callback(_stop, asyncio.create_task(catalog.run(), name="catalog"))
    converter = Converter()
    stack.push_async_callback(converter.close)
    transport = VendorTransport()
    stack.push_async_callback(transport.aclose)
    metrics, rules = Metrics(), BreakerRules(settings.breaker_failures, settings.breaker_open_s)
    pool = VendorPool(clock, rng=random.SystemRandom(), rules=rules, seen=metrics.attempt)
    drained = await _open_drained(stack, database, clock)
    door = await _open_door(stack, settings)
    return Ground(
        settings=settings,
        clock=clock,
        database=database,
        catalog=catalog,
        catalog_desk=catalog_desk,
        media=media,
        spool=spool,
        signer=MediaSigner(secrets.secret_key.encode(), clock=clock),
        door=door,
        fetcher=Fetcher(door, clock=clock),
        converter=converter,
        client=VendorClient(transport, clock=clock, limits=_call_limits(settings)),
        pool=pool,
        drained=drained,
        router=Router(pool, drained=drained.names, rng=random.SystemRandom()),
        metrics=metrics,
    )


async def _open_drained(stack: AsyncExitStack, database: Database, clock: Clock) -> DrainedVendors:
    drained = DrainedVendors(database, clock=clock)
    await drained.refresh()
    stack.push_async_callback(_stop, asyncio.create_task(drained.run(), name="drained"))
    return drained


def _make_chats(stack: AsyncExitStack, ground: Ground) -> Chats:
    settings, transport, books = ground.settings, HttpTransport(), ChatBooks(ground.database, ground.metrics)
    stack.push_async_callback(transport.aclose)
    stack.push_async_callback(books.close)
    waits = ChatWaits(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.chat_first_byte_s,
        stream_first_byte_s=settings.stream_first_byte_s,
        idle_s=settings.vendor_idle_s,
    )
    return Chats(
        books=books,
        caller=ChatCaller(transport, clock=ground.clock, waits=waits),
        router=ground.router,
        pool=ground.pool,
        clock=ground.clock,
    )


def _make_machinery(ground: Ground, owner: str, faults: Faults) -> Machinery:
    settings = ground.settings
    tools = Tools(
        database=ground.database,
        clock=ground.clock,
        catalog=ground.current,
        planner=Planner(DIALECTS, ground.router),
        media=ground.media,
        signer=ground.signer,
        fetcher=ground.fetcher,
        converter=ground.converter,
        client=ground.client,
        pool=ground.pool,
        owner=owner,
        faults=faults,
        metrics=ground.metrics,
    )
    limits = AdmissionLimits(
        task_deadline_s=settings.task_deadline_s,
        lease_s=settings.task_lease_s,
        key_concurrency=settings.key_concurrency,
        key_queued=settings.key_queued_tasks,
    )
    return make_machinery(
        tools, limits=limits, media_ttl_s=settings.media_ttl_hours * 3600, link_ttl_s=settings.media_link_ttl_s
    )


def _make_worker(ground: Ground, machinery: Machinery, owner: str, faults: Faults, *, tasks: bool) -> Worker:
    """`tasks` False: only the heartbeat, which sync requests need as well."""
    settings, database, clock = ground.settings, ground.database, ground.clock
    heartbeat = Heartbeat(
        database, clock=clock, owner=owner, every_s=settings.task_heartbeat_s, lease_s=settings.task_lease_s
    )
    if not tasks:
        return Worker(heartbeat, clock=clock, claims=None, sweep=None)
    claims = Claims(
        database=database,
        clock=clock,
        owner=owner,
        bell=machinery.bell,
        spool=ground.spool,
        rebuilder=machinery.rebuilder,
        execution=machinery.execution,
        settlement=machinery.settlement,
        only_waits=machinery.conversation.only_waits,
        limits=ClaimLimits(
            at_once=settings.worker_tasks, lease_s=settings.task_lease_s, key_concurrency=settings.key_concurrency
        ),
        faults=faults,
    )
    sweep = Sweep(
        database=database,
        clock=clock,
        claims=claims,
        settlement=machinery.settlement,
        media=ground.media,
        every_s=settings.task_sweep_s,
    )
    orphans = Orphans(database, ground.media, clock=clock, task_deadline_s=settings.task_deadline_s)
    deliveries = Deliveries(
        database=database,
        clock=clock,
        door=ground.door,
        rng=random.SystemRandom(),
        limits=DeliveryLimits(timeout_s=settings.webhook_timeout_s, tries=settings.webhook_attempts),
        faults=faults,
    )
    return Worker(heartbeat, clock=clock, claims=claims, sweep=sweep, others=(orphans.run, deliveries.run))


async def _open_storage(stack: AsyncExitStack, settings: Settings, env: Mapping[str, str]) -> tuple[MediaStore, Spool]:
    """Where pictures end up, and where they are until then."""
    await asyncio.to_thread(sweep, settings.unfinished_dir)
    own = await asyncio.to_thread(OwnDirectory.claim, settings.unfinished_dir)
    stack.callback(own.close)
    spool = Spool(own.path / "spool")
    await spool.prepare()
    if settings.media_in_bucket:
        return _bucket(settings, env), spool
    room = settings.min_free_disk_mb * MB
    store = LocalMediaStore(settings.media_dir, temporary=own.path / "temporary", min_free_bytes=room)
    await store.prepare()
    return store, spool


def _bucket(settings: Settings, env: Mapping[str, str]) -> MediaStore:
    try:
        from app.media.s3 import S3MediaStore  # noqa: PLC0415 - there only with the extra s3
    except ModuleNotFoundError as error:
        raise SettingsInvalid([f"{PREFIX}MEDIA_URL: install oneshape[s3] to keep pictures in a bucket"]) from error
    return S3MediaStore.at(settings.media_url, endpoint=settings.media_s3_endpoint, env=env)


def _open_rates(stack: AsyncExitStack, settings: Settings, clock: Clock) -> Rates:
    local = RateLimits(clock)
    if settings.redis_url is None:
        return local
    try:
        from app.gateway.limits_redis import SharedRateLimits  # noqa: PLC0415 - there only with the extra redis
    except ModuleNotFoundError as error:
        raise SettingsInvalid([f"{PREFIX}REDIS_URL: install oneshape[redis] to share rate limits"]) from error
    shared = SharedRateLimits.at(settings.redis_url, local=local, clock=clock)
    stack.push_async_callback(shared.close)
    return shared


async def _catalog_source(settings: Settings, database: Database, clock: Clock) -> Source:
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
    live = await LiveCatalog.open(source, env=env, secret_key=secret_key, clock=clock, log=log)
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


def _call_limits(settings: Settings) -> CallLimits:
    return CallLimits(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.image_first_byte_s,
        idle_s=settings.vendor_idle_s,
        blob_bytes=settings.max_result_file_mb * MB,
    )


def _web_limits(settings: Settings) -> WebLimits:
    return WebLimits(
        chat_body=settings.max_chat_body_mb * MB,
        image_body=settings.max_image_body_mb * MB,
        multipart_body=settings.max_multipart_body_mb * MB,
        admin_body=settings.max_admin_body_kb * 1024,
        file=settings.max_file_mb * MB,
        wrong_keys_per_minute=settings.wrong_keys_per_minute,
        load=LoadLimits(
            running=settings.max_running,
            waiting=settings.max_waiting,
            wait_s=settings.max_wait_s,
            body_bytes=settings.max_in_flight_mb * MB,
        ),
    )


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
