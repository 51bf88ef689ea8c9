"""Opens a whole gateway on its ground: the use cases, and the work beside them."""

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from app.core.clock import Clock
from app.dialects import DIALECTS
from app.gateway.accounts import Accounts
from app.gateway.admission import AdmissionLimits
from app.gateway.caller import Callers, KeyHasher
from app.gateway.catalog.live import Source
from app.gateway.chat import Chats
from app.gateway.chat_books import ChatBooks
from app.gateway.chat_call import ChatCaller, ChatWaits
from app.gateway.chat_repeats import ChatRepeats
from app.gateway.faults import Faults
from app.gateway.gauges import Gauges
from app.gateway.limits import RateLimits, Rates
from app.gateway.lost_texts import LostTexts
from app.gateway.machinery import Machinery, Tools, make_machinery
from app.gateway.operations import Operations, make_operations
from app.gateway.plan import Planner
from app.gateway.services import LoadLimits, Services, WebLimits
from app.media.pictures import PictureLimits
from app.settings import PREFIX, Secrets, Settings, SettingsInvalid
from app.wiring.ground import Ground, backups_of, open_ground
from app.worker.claim import ClaimLimits, Claims
from app.worker.heartbeat import Heartbeat
from app.worker.orphans import Orphans
from app.worker.retention import KeptDays, Retention
from app.worker.sweep import Sweep
from app.worker.webhooks import Deliveries, DeliveryLimits
from app.worker.worker import Loop, Worker

if TYPE_CHECKING:
    from app.gateway.tracing import Traces

MB: Final = 2**20


@asynccontextmanager
async def open_services(
    settings: Settings,
    secrets: Secrets,
    *,
    env: Mapping[str, str],
    clock: Clock,
    source: Source | None = None,
    tasks: bool = True,
    traces: "Traces | None" = None,
) -> AsyncIterator[Services]:
    """A whole gateway. `env` is where the catalog's `env:NAME` keys are; `source` replaces the settings' catalog.

    `tasks`: whether it also does queued tasks, and those whose owner is gone. `traces` replaces those of `env`.
    """
    async with AsyncExitStack() as stack:
        ground = await open_ground(stack, settings, secrets, env=env, clock=clock, source=source, traces=traces)
        owner, faults = ground.process, Faults(env.get("ONESHAPE_FAULTS"))
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
            chats=_make_chats(stack, ground, owner),
            tasks=machinery.tasks,
            operations=_make_operations(ground),
            media=ground.media,
            signer=ground.signer,
            spool=ground.spool,
            metrics=ground.metrics,
            traces=ground.traces,
            gauges=Gauges(ground.database, clock, ground.current, ground.pool, ground.shared.drained, ground.spool),
            limits=_web_limits(settings),
            admin_key=secrets.admin_key,
            metrics_token=None if metrics_token is None else metrics_token.get_secret_value(),
            idempotency_s=settings.idempotency_hours * 3600.0,
            public_url=settings.public_url,
        )


def _make_chats(stack: AsyncExitStack, ground: Ground, owner: str) -> Chats:
    settings = ground.settings
    books = ChatBooks(ground.database, ground.metrics, clock=ground.clock, process=owner)
    stack.push_async_callback(books.close)
    waits = ChatWaits(
        connect_s=settings.connect_timeout_s,
        first_byte_s=settings.chat_first_byte_s,
        stream_first_byte_s=settings.stream_first_byte_s,
        idle_s=settings.vendor_idle_s,
    )
    return Chats(
        books=books,
        repeats=ChatRepeats(ground.database, clock=ground.clock),
        caller=ChatCaller(ground.light, clock=ground.clock, waits=waits),
        router=ground.router,
        pool=ground.pool,
        clock=ground.clock,
    )


def _make_operations(ground: Ground) -> Operations:
    return make_operations(
        database=ground.database,
        clock=ground.clock,
        catalog=ground.current,
        dialects=DIALECTS,
        pool=ground.pool,
        shared=ground.shared,
        router=ground.router,
        client=ground.client,
        fetcher=ground.fetcher,
        converter=ground.converter,
        spool=ground.spool,
        backups=backups_of(ground.settings, ground.database, ground.clock),
    )


def _make_machinery(ground: Ground, owner: str, faults: Faults) -> Machinery:
    settings = ground.settings
    tools = Tools(
        database=ground.database,
        clock=ground.clock,
        catalog=ground.current,
        admitting=ground.catalog.admitting,
        planner=Planner(DIALECTS, ground.router),
        media=ground.media,
        signer=ground.signer,
        spool=ground.spool,
        fetcher=ground.fetcher,
        converter=ground.converter,
        input_limits=PictureLimits(settings.max_side_px, settings.max_pixels),
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
        database,
        clock=clock,
        owner=owner,
        every_s=settings.task_heartbeat_s,
        lease_s=settings.task_lease_s,
        given_up=machinery.execution.given_up,
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
        lost_texts=LostTexts(database, clock=clock, silent_s=settings.task_lease_s),
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
    others = (orphans.run, deliveries.run, *_retention(ground))
    return Worker(heartbeat, clock=clock, claims=claims, sweep=sweep, others=others)


def _retention(ground: Ground) -> tuple[Loop, ...]:
    """What removes old records, where any are to be removed."""
    settings = ground.settings
    kept = KeptDays(settings.keep_tasks_days, settings.keep_chats_days, settings.keep_audit_days)
    if kept == KeptDays():
        return ()
    return (Retention(ground.database, clock=ground.clock, kept=kept, metrics=ground.metrics).run,)


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


def _web_limits(settings: Settings) -> WebLimits:
    return WebLimits(
        chat_body=settings.max_chat_body_mb * MB,
        image_body=settings.max_image_body_mb * MB,
        multipart_body=settings.max_multipart_body_mb * MB,
        admin_body=settings.max_admin_body_kb * 1024,
        file=settings.max_file_mb * MB,
        wrong_keys_per_minute=settings.wrong_keys_per_minute,
        trusted_proxies=settings.trusted_proxies,
        load=LoadLimits(
            running=settings.max_running,
            waiting=settings.max_waiting,
            wait_s=settings.max_wait_s,
            body_bytes=settings.max_in_flight_mb * MB,
            memory_bytes=None if settings.max_memory_mb is None else settings.max_memory_mb * MB,
        ),
    )
