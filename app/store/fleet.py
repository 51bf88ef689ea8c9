"""What replicas tell each other: which processes are alive, and which vendors operators have drained."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, update

from app.store.sql import insert_if_absent, now
from app.store.tables import drained_vendors, workers


@dataclass(frozen=True, slots=True)
class Process:
    """A process that serves or works on tasks. Its heartbeat is unix seconds by the database's clock (L14)."""

    id: str
    started_at: float
    heartbeat_at: float


def heartbeat(tx: Connection, process_id: str, *, at: float) -> None:
    """Says that a process is alive; the first time it is also when it started."""
    beat = update(workers).where(workers.c.id == process_id).values(heartbeat_at=now(tx, at))
    if tx.execute(beat).rowcount == 0:
        first = {"id": process_id, "started_at": at, "heartbeat_at": now(tx, at)}
        tx.execute(insert_if_absent(tx, workers).values(first))


def silent(tx: Connection, *, at: float, seconds: float) -> tuple[Process, ...]:
    """Processes that have not left and not beaten for so long."""
    query = select(workers).where(workers.c.heartbeat_at <= now(tx, at) - seconds)
    return tuple(Process(**row._mapping) for row in tx.execute(query))


def forget(tx: Connection, *, at: float, seconds: float) -> None:
    """Removes processes that have been silent for so long: they died, and nobody asks for them any more."""
    tx.execute(delete(workers).where(workers.c.heartbeat_at <= now(tx, at) - seconds))


def leave(tx: Connection, process_id: str) -> None:
    """A process stops in good order."""
    tx.execute(delete(workers).where(workers.c.id == process_id))


def processes(tx: Connection) -> tuple[Process, ...]:
    """Every process that has not left, those that died included, oldest first."""
    return tuple(Process(**row._mapping) for row in tx.execute(select(workers).order_by(workers.c.started_at)))


def drain(tx: Connection, vendor: str, *, actor: str, at: float) -> None:
    """Sends nothing new to a vendor, on any replica."""
    tx.execute(insert_if_absent(tx, drained_vendors).values(vendor=vendor, actor=actor, at=at))


def undrain(tx: Connection, vendor: str) -> None:
    """Lets a vendor serve again."""
    tx.execute(delete(drained_vendors).where(drained_vendors.c.vendor == vendor))


def drained(tx: Connection) -> frozenset[str]:
    """The names of the vendors that are drained."""
    return frozenset(tx.execute(select(drained_vendors.c.vendor)).scalars())
