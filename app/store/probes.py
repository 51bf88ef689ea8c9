"""What the last probe of each model at each vendor found."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from app.store.sql import insert_if_absent
from app.store.tables import probe_findings


@dataclass(frozen=True, slots=True)
class Probed:
    """A model's last probe, at unix seconds `at`; `finding` as it is shown."""

    vendor: str
    vendor_model: str
    at: float
    finding: Mapping[str, Any]


def record(tx: Connection, probed: Probed) -> None:
    """Keeps it in the place of the one before."""
    values = {"at": probed.at, "finding": dict(probed.finding)}
    first = {"vendor": probed.vendor, "vendor_model": probed.vendor_model, **values}
    if tx.execute(insert_if_absent(tx, probe_findings).values(first)).rowcount == 0:
        same = (probe_findings.c.vendor == probed.vendor) & (probe_findings.c.vendor_model == probed.vendor_model)
        tx.execute(update(probe_findings).where(same).values(**values))


def list_for_vendor(tx: Connection, vendor: str) -> tuple[Probed, ...]:
    """The last probe of each of a vendor's models, by name."""
    query = select(probe_findings).where(probe_findings.c.vendor == vendor).order_by(probe_findings.c.vendor_model)
    return tuple(Probed(**row._mapping) for row in tx.execute(query))
