"""What replicas tell each other of vendors, their bills, what probes found, and the prices of models over time."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

TIME = sa.Float(precision=53)
TABLES = "vendor_health vendor_places bills bill_lines probe_findings model_prices"


def upgrade() -> None:
    """Adds tables, and an index to find an attempt by the vendor's id of it."""
    _health()
    _bills()
    _findings()
    used = sa.text("handle IS NOT NULL")
    op.create_index("ix_attempts_handle", "attempts", ["vendor", "handle"], sqlite_where=used, postgresql_where=used)


def downgrade() -> None:
    """Forgets them."""
    op.drop_index("ix_attempts_handle", "attempts")
    for table in reversed(TABLES.split()):
        op.drop_table(table)


def _health() -> None:
    op.create_table(
        "vendor_health",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("usual_s", TIME),
        sa.Column("changed_at", TIME, nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('closed', 'open', 'probing')", name=op.f("ck_vendor_health_state")),
        sa.CheckConstraint("openings >= 0", name=op.f("ck_vendor_health_openings")),
        sa.PrimaryKeyConstraint("vendor", "subject", name=op.f("pk_vendor_health")),
    )
    op.create_table(
        "vendor_places",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("places", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.CheckConstraint("places >= 0 AND wanted >= 0", name=op.f("ck_vendor_places_places")),
        sa.PrimaryKeyConstraint("vendor", "process", name=op.f("pk_vendor_places")),
    )


def _bills() -> None:
    op.create_table(
        "bills",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bills")),
        sa.UniqueConstraint("vendor", "digest", name=op.f("uq_bills_vendor_digest")),
    )
    op.create_index("ix_bills_created_at_id", "bills", ["created_at", "id"])
    op.create_table(
        "bill_lines",
        sa.Column("bill_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("at", TIME),
        sa.Column("model", sa.Text()),
        sa.Column("reference", sa.Text()),
        sa.Column("quantity", sa.BigInteger()),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("attempt_id", sa.Text()),
        sa.Column("expected_units", sa.BigInteger()),
        sa.CheckConstraint(
            "match IN ('matched', 'differs', 'unknown', 'repeated', 'unmatched', 'total')",
            name=op.f("ck_bill_lines_match"),
        ),
        sa.ForeignKeyConstraint(["bill_id"], ["bills.id"], name=op.f("fk_bill_lines_bill_id_bills")),
        sa.PrimaryKeyConstraint("bill_id", "line", name=op.f("pk_bill_lines")),
    )
    op.create_index("ix_bill_lines_vendor_at", "bill_lines", ["vendor", "at"])
    used = sa.text("attempt_id IS NOT NULL")
    op.create_index("ix_bill_lines_attempt_id", "bill_lines", ["attempt_id"], sqlite_where=used, postgresql_where=used)


def _findings() -> None:
    op.create_table(
        "probe_findings",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("vendor_model", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("finding", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("vendor", "vendor_model", name=op.f("pk_probe_findings")),
    )
    op.create_table(
        "model_prices",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("price", sa.JSON(), nullable=False),
        sa.Column("costs", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("model", "n", name=op.f("pk_model_prices")),
    )
