"""Who works on what: the vendor credential of an attempt, and the process behind a text request's hold."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds both columns; rows that are there say nothing."""
    op.add_column("attempts", sa.Column("credential", sa.Text()))
    op.add_column("ledger_entries", sa.Column("work", sa.JSON()))


def downgrade() -> None:
    """Forgets it."""
    op.drop_column("ledger_entries", "work")
    op.drop_column("attempts", "credential")
