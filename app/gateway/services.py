"""Everything that serves requests, in one value: wiring builds it, web and worker use it."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.media import MediaStore
from app.gateway.accounts import Accounts
from app.gateway.caller import Callers
from app.gateway.catalog.desk import CatalogDesk
from app.gateway.chat import Chats
from app.gateway.gauges import Gauges
from app.gateway.images import Images
from app.gateway.limits import Rates
from app.gateway.metrics import Metrics
from app.gateway.operations import Operations
from app.gateway.tasks import Tasks
from app.media.signing import MediaSigner
from app.media.spool import Spool
from app.store.database import Database

if TYPE_CHECKING:
    from app.gateway.tracing import Traces


@dataclass(frozen=True, slots=True)
class LoadLimits:
    """`running`: requests at work at once; `waiting`: how many more may wait, `wait_s` long; `body_bytes`: of bodies in
    memory; `lag_s`: how late the event loop may be. Beyond `memory_shed` of the memory no work is begun, beyond
    `memory_stop` no body taken; `memory_bytes`: what this process may have, None: what its machine or container has.
    """

    running: int = 200
    waiting: int = 100
    wait_s: float = 5.0
    body_bytes: int = 512 * 2**20
    lag_s: float = 0.5
    memory_shed: float = 0.85
    memory_stop: float = 0.95
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class WebLimits:
    """Sizes of what a client may send, in bytes; wrong keys that an address may send; whose word about a client's
    address is taken; load before it is shed.
    """

    chat_body: int = 20 * 2**20
    image_body: int = 32 * 2**20
    multipart_body: int = 64 * 2**20
    admin_body: int = 256 * 2**10
    file: int = 20 * 2**20
    wrong_keys_per_minute: int = 20
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    load: LoadLimits = LoadLimits()


@dataclass(frozen=True, slots=True)
class Services:
    """What a running gateway consists of. `public_url`: the base of media links; None: as the client reached us.

    `idempotency_s`: how long an Idempotency-Key is remembered. `metrics_token`: opens /metrics, beside the admin key.
    `traces`: None where none are recorded.
    """

    clock: Clock
    database: Database
    catalog: Callable[[], Catalog]
    catalog_desk: CatalogDesk
    callers: Callers
    rates: Rates
    accounts: Accounts
    images: Images
    chats: Chats
    tasks: Tasks
    operations: Operations
    media: MediaStore
    signer: MediaSigner
    spool: Spool
    metrics: Metrics
    traces: "Traces | None"
    gauges: Gauges
    limits: WebLimits
    admin_key: str
    metrics_token: str | None
    idempotency_s: float
    public_url: str | None
