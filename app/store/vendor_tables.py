"""The tables about vendors: what replicas tell each other of them, what they bill, what probes found, former prices.

As in `tables`, times are unix seconds and money is integer units.
"""

from typing import Final

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint

from app.store.columns import Document, VendorText
from app.store.schema import TIME, metadata, partial_index

drained_vendors: Final = Table(
    "drained_vendors",
    metadata,
    Column("vendor", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at", TIME, nullable=False),
)

# One row for what has ever been left alone: a vendor (subject ''), a model there, a credential by its digest.
vendor_health: Final = Table(
    "vendor_health",
    metadata,
    Column("vendor", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("openings", Integer, nullable=False),
    Column("until", TIME, nullable=False),
    Column("usual_s", TIME),
    Column("changed_at", TIME, nullable=False),
    Column("process", Text, nullable=False),
    CheckConstraint("state IN ('closed', 'open', 'probing')", name="state"),
    CheckConstraint("openings >= 0", name="openings"),
)

# Places at a vendor, lent to processes. The row of process '' is the vendor's lock and holds none.
vendor_places: Final = Table(
    "vendor_places",
    metadata,
    Column("vendor", Text, primary_key=True),
    Column("process", Text, primary_key=True),
    Column("places", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("until", TIME, nullable=False),
    CheckConstraint("places >= 0 AND wanted >= 0", name="places"),
)

bills: Final = Table(
    "bills",
    metadata,
    Column("id", Text, primary_key=True),
    Column("vendor", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("created_at", TIME, nullable=False),
    # None while its lines are being written; what was not finished is begun anew.
    Column("finished_at", TIME),
    UniqueConstraint("vendor", "digest"),
    Index("ix_bills_created_at_id", "created_at", "id"),
)

bill_lines: Final = Table(
    "bill_lines",
    metadata,
    Column("bill_id", Text, ForeignKey("bills.id"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("vendor", Text, nullable=False),
    Column("at", TIME),
    Column("model", VendorText),
    Column("reference", VendorText),
    Column("quantity", BigInteger),
    Column("units", BigInteger, nullable=False),
    Column("match", Text, nullable=False),
    Column("attempt_id", Text),
    Column("expected_units", BigInteger),
    CheckConstraint("match IN ('matched', 'differs', 'unknown', 'repeated', 'unmatched', 'total')", name="match"),
    Index("ix_bill_lines_vendor_at", "vendor", "at"),
    partial_index("ix_bill_lines_attempt_id", "attempt_id", where="attempt_id IS NOT NULL"),
)

probe_findings: Final = Table(
    "probe_findings",
    metadata,
    Column("vendor", Text, primary_key=True),
    Column("vendor_model", Text, primary_key=True),
    Column("at", TIME, nullable=False),
    Column("finding", Document, nullable=False),
)

model_prices: Final = Table(
    "model_prices",
    metadata,
    Column("model", Text, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    Column("since", TIME, nullable=False),
    Column("price", Document, nullable=False),
    Column("costs", Document, nullable=False),
)
