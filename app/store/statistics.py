"""How much there is of what operators watch: queues, open holds, possible bills, webhooks, pictures. Sums, no rows."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, literal_column, select

from app.store import attempts, fleet
from app.store.sql import allow_long
from app.store.tables import accounts, ledger_entries, media, tasks, webhook_deliveries
from app.store.tables import attempts as attempt_rows
from app.store.tasks import IN_PROGRESS, QUEUED

LONG_S = 30


@dataclass(frozen=True, slots=True)
class OpenHolds:
    """Holds without a resolution; `resolved_to`: every hold up to this sequence has one, and keeps it."""

    count: int
    oldest_at: float | None
    resolved_to: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the whole installation has at one moment. Times are unix seconds, None where there is nothing."""

    queued: int
    in_progress: int
    oldest_queued_at: float | None
    held_units: int
    unknown_attempts: int
    exposure_units: Mapping[str, int]
    webhooks_pending: int
    oldest_webhook_at: float | None
    heartbeats_at: tuple[float, ...]


def statistics(tx: Connection) -> Statistics:
    """All of it on one snapshot, each found by an index or in a table that stays small."""
    queued = tx.execute(select(func.count(), func.min(tasks.c.created_at)).where(QUEUED)).one()
    pending = webhook_deliveries.c.state == literal_column("'pending'")
    webhooks = tx.execute(select(func.count(), func.min(webhook_deliveries.c.created_at)).where(pending)).one()
    unknown = select(func.count()).where(attempt_rows.c.state == literal_column("'unknown'"))
    return Statistics(
        queued=queued[0],
        in_progress=tx.execute(select(func.count()).select_from(tasks).where(IN_PROGRESS)).scalar_one(),
        oldest_queued_at=queued[1],
        held_units=int(tx.execute(select(func.coalesce(func.sum(accounts.c.held_units), 0))).scalar_one()),
        unknown_attempts=tx.execute(unknown.select_from(attempt_rows)).scalar_one(),
        exposure_units=attempts.exposure_by_vendor(tx),
        webhooks_pending=webhooks[0],
        oldest_webhook_at=webhooks[1],
        heartbeats_at=tuple(process.heartbeat_at for process in fleet.processes(tx)),
    )


def open_holds(tx: Connection, *, resolved_to: int, settled_before: float) -> OpenHolds:
    """The open holds after that sequence. Reads the ledger from there: the first time all of it, then what is new.

    `settled_before`: unix seconds before which every transaction has ended. Sequences are given out before a commit, so
    a younger hold may yet appear below one that is there.
    """
    allow_long(tx, seconds=LONG_S)
    held, resolution = ledger_entries, ledger_entries.alias()
    resolved = select(resolution.c.seq).where(
        resolution.c.charge_id == held.c.charge_id,
        resolution.c.kind.in_((literal_column("'capture'"), literal_column("'release'"))),
    )
    later = held.c.seq > resolved_to
    open_ones = select(func.count(), func.min(held.c.at), func.min(held.c.seq)).where(
        later, held.c.kind == literal_column("'hold'"), ~resolved.exists()
    )
    count, oldest_at, first = tx.execute(open_ones).one()
    settled = tx.execute(select(func.max(held.c.seq)).where(later, held.c.at < settled_before)).scalar_one()
    settled = resolved_to if settled is None else settled
    return OpenHolds(count, oldest_at, settled if first is None else max(min(first - 1, settled), resolved_to))


def kept_pictures(tx: Connection) -> tuple[int, int]:
    """How many stored pictures there are, and their bytes. Reads a row for each."""
    allow_long(tx, seconds=LONG_S)
    total = select(func.count(), func.coalesce(func.sum(media.c.size_bytes), 0)).where(media.c.erased_at.is_(None))
    count, size_bytes = tx.execute(total).one()
    return count, int(size_bytes)
