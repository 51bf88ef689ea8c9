"""Places at vendors, lent to processes for a while: their sum is never more than a vendor's concurrency.

Each process holds a few and uses them without asking anybody; so a request costs no write, and nobody has more calls
under way than the vendor allows. The places of a process that says nothing any more run out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, select, update

from app.store.sql import insert_if_absent, now
from app.store.tables import vendor_places

LOCK: Final = ""
"""The process of the row that whoever changes a vendor's places locks."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a process asks for at a vendor: `target` places of the vendor's `limit`; it keeps the `held` in any case.

    `needed`: how many it has work for; what it does not get of those, the others see as wanted.
    """

    vendor: str
    target: int
    held: int
    needed: int
    limit: int


@dataclass(frozen=True, slots=True)
class Others:
    """What the other processes have of a vendor's places, what they lack, and how many they are."""

    held: int = 0
    wanted: int = 0
    processes: int = 0


def lend(tx: Connection, process: str, asks: Iterable[Ask], *, lease_s: float, at: float) -> dict[str, int]:
    """How many places the process has of each vendor from now on, for `lease_s` seconds."""
    return {one.vendor: _lend(tx, process, one, lease_s, at) for one in sorted(asks, key=lambda one: one.vendor)}


def others(tx: Connection, process: str, *, at: float) -> Mapping[str, Others]:
    """What the others have, by vendor."""
    columns = vendor_places.c
    query = (
        select(columns.vendor, func.sum(columns.places), func.sum(columns.wanted), func.count())
        .where(columns.process.not_in((LOCK, process)), columns.until >= now(tx, at))
        .group_by(columns.vendor)
    )
    return {vendor: Others(int(held), int(wanted), count) for vendor, held, wanted, count in tx.execute(query)}


def give_back_all(tx: Connection, process: str) -> None:
    """The process is leaving: nothing of it is under way any more."""
    tx.execute(delete(vendor_places).where(vendor_places.c.process == process))


def _lend(tx: Connection, process: str, ask: Ask, lease_s: float, at: float) -> int:
    columns = vendor_places.c
    of_vendor = columns.vendor == ask.vendor
    lock = {"vendor": ask.vendor, "process": LOCK, "places": 0, "wanted": 0, "until": 0.0}
    tx.execute(insert_if_absent(tx, vendor_places).values(lock))
    tx.execute(select(columns.vendor).where(of_vendor, columns.process == LOCK).with_for_update())
    tx.execute(delete(vendor_places).where(of_vendor, columns.process != LOCK, columns.until < now(tx, at)))
    elsewhere = select(func.coalesce(func.sum(columns.places), 0)).where(of_vendor, columns.process != process)
    free = max(ask.limit - int(tx.execute(elsewhere).scalar_one()), 0)
    given = max(min(ask.target, free), ask.held)
    wanted = max(ask.needed - given, 0)
    own = of_vendor & (columns.process == process)
    if not given and not wanted:
        tx.execute(delete(vendor_places).where(own))
        return 0
    values = {"places": given, "wanted": wanted, "until": now(tx, at) + lease_s}
    if tx.execute(update(vendor_places).where(own).values(**values)).rowcount == 0:
        tx.execute(insert_if_absent(tx, vendor_places).values(vendor=ask.vendor, process=process, **values))
    return given
