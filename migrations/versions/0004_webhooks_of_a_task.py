"""The webhooks of a task are found by it: removing old tasks must not read every delivery for each of them."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds an index."""
    op.create_index("ix_webhook_deliveries_task_id", "webhook_deliveries", ["task_id"])


def downgrade() -> None:
    """Removes it."""
    op.drop_index("ix_webhook_deliveries_task_id", "webhook_deliveries")
