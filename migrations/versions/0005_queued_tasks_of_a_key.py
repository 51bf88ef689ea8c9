"""A key's queued tasks are counted by an index: with ten thousand in the queue, each admission read all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

QUEUED = sa.text("status = 'queued'")


def upgrade() -> None:
    """Adds an index."""
    op.create_index("ix_tasks_queued_by_key", "tasks", ["key_id"], sqlite_where=QUEUED, postgresql_where=QUEUED)


def downgrade() -> None:
    """Removes it."""
    op.drop_index("ix_tasks_queued_by_key", "tasks")
