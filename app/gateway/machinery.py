"""The parts that admit, do and settle image tasks, put together. Chooses no implementation: wiring hands them in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.media import MediaStore
from app.gateway.admission import Admission, AdmissionLimits
from app.gateway.attempt_records import AttemptRecords
from app.gateway.bell import Bell
from app.gateway.conversation import Conversation
from app.gateway.dispatch import Dispatcher
from app.gateway.doubtful import DoubtfulAdmissions
from app.gateway.execution import Execution
from app.gateway.faults import Faults
from app.gateway.images import Images
from app.gateway.input_store import InputStore
from app.gateway.inputs import InputDesk
from app.gateway.metrics import Metrics
from app.gateway.outputs import OutputDesk
from app.gateway.own_pictures import OwnPictures
from app.gateway.plan import Planner
from app.gateway.polls import Polls
from app.gateway.progress import ProgressBoard
from app.gateway.rebuild import Rebuilder
from app.gateway.settlement import Settlement
from app.gateway.task_views import TaskViews
from app.gateway.tasks import Tasks
from app.gateway.watch import TaskWatch
from app.gateway.webhooks import Announcer
from app.media.fetch import Fetcher
from app.media.pictures import Converter, PictureLimits
from app.media.signing import MediaSigner
from app.media.spool import Spool
from app.store.database import Database
from app.upstream.client import VendorClient
from app.upstream.pool import VendorPool


@dataclass(frozen=True, slots=True)
class Tools:
    """What the parts work with. `owner`: the id of this process, in whose name it leases tasks.

    `admitting`: the catalog for work that an earlier revision admitted.
    """

    database: Database
    clock: Clock
    catalog: Callable[[], Catalog]
    admitting: Callable[[int], Awaitable[Catalog]]
    planner: Planner
    media: MediaStore
    signer: MediaSigner
    spool: Spool
    fetcher: Fetcher
    converter: Converter
    input_limits: PictureLimits
    client: VendorClient
    pool: VendorPool
    owner: str
    faults: Faults
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Machinery:
    """The parts that web and worker use."""

    images: Images
    tasks: Tasks
    execution: Execution
    settlement: Settlement
    rebuilder: Rebuilder
    bell: Bell


def make_machinery(tools: Tools, *, limits: AdmissionLimits, media_ttl_s: float, link_ttl_s: int) -> Machinery:
    """All parts, of one bell and one settlement."""
    database, clock, faults = tools.database, tools.clock, tools.faults
    bell = Bell(clock)
    views = TaskViews(media=tools.media, signer=tools.signer, link_ttl_s=link_ttl_s)
    polls = Polls(clock=clock, client=tools.client, progress=ProgressBoard(database), spool=tools.spool)
    watch = TaskWatch(database, clock=clock, bell=bell, looked_at=polls.look)
    settlement = Settlement(
        database,
        clock=clock,
        media_ttl_s=media_ttl_s,
        bell=bell,
        announce=Announcer(views),
        metrics=tools.metrics,
        faults=faults,
    )
    own = OwnPictures(database=database, store=tools.media, signer=tools.signer)
    inputs = InputDesk(fetcher=tools.fetcher, own=own, limits=tools.input_limits)
    store = InputStore(tools.media, clock=clock, limits=tools.input_limits)
    admission = Admission(
        database=database,
        clock=clock,
        catalog=tools.catalog,
        planner=tools.planner,
        inputs=inputs,
        store=store,
        owner=tools.owner,
        doubtful=DoubtfulAdmissions(database, clock=clock, settlement=settlement),
        limits=limits,
        faults=faults,
    )
    rebuilder = Rebuilder(
        database=database, clock=clock, admitting=tools.admitting, planner=tools.planner, inputs=inputs, store=store
    )
    execution = Execution(dispatcher=_make_dispatcher(tools), settlement=settlement, polls=polls, rebuilder=rebuilder)
    return Machinery(
        images=Images(admission=admission, execution=execution, watch=watch, views=views),
        tasks=Tasks(
            database=database,
            clock=clock,
            admission=admission,
            settlement=settlement,
            watch=watch,
            views=views,
            bell=bell,
        ),
        execution=execution,
        settlement=settlement,
        rebuilder=rebuilder,
        bell=bell,
    )


def _make_dispatcher(tools: Tools) -> Dispatcher:
    records = AttemptRecords(tools.database, clock=tools.clock, faults=tools.faults)
    conversation = Conversation(clock=tools.clock, client=tools.client, records=records)
    outputs = OutputDesk(fetcher=tools.fetcher, converter=tools.converter, media=tools.media)
    return Dispatcher(records=records, conversation=conversation, outputs=outputs, pool=tools.pool, faults=tools.faults)
