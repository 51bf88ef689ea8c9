"""The first schema: accounts and keys, the ledger, tasks and their attempts, media, and what operators see."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TIME = sa.Float(precision=53)
MAX = 2**53 - 1
TABLES = """
    accounts keys key_periods ledger_entries tasks attempts media
    chats idempotency webhook_deliveries catalog_revisions audit workers drained_vendors
"""

APPEND_ONLY = "ledger entries are added, never changed"


def upgrade() -> None:
    """Makes every table, children after their parents, and closes the ledger to changes."""
    _accounts()
    _ledger()
    _tasks()
    _attempts()
    _results()
    _records()
    _operators()
    _close_ledger()


def downgrade() -> None:
    """Empties the database."""
    for table in reversed(TABLES.split()):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_ledger_change()")


def _partial(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("billing", sa.Text(), nullable=False),
        sa.Column("balance_units", sa.BigInteger(), nullable=False),
        sa.Column("held_units", sa.BigInteger(), nullable=False),
        sa.Column("webhook_url", sa.Text()),
        sa.Column("webhook_secret", sa.Text()),
        sa.Column("webhook_secret_old", sa.Text()),
        sa.Column("webhook_secret_old_until", TIME),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint(
            "billing = 'unlimited' OR held_units <= balance_units", name=op.f("ck_accounts_no_overspend")
        ),
        sa.CheckConstraint("billing IN ('prepaid', 'unlimited')", name=op.f("ck_accounts_billing")),
        sa.CheckConstraint(f"abs(balance_units) <= {MAX} AND held_units <= {MAX}", name=op.f("ck_accounts_range")),
        sa.CheckConstraint("held_units >= 0", name=op.f("ck_accounts_held")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
    )
    op.create_index("ix_accounts_created_at_id", "accounts", ["created_at", "id"])
    op.create_table(
        "keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("models", sa.JSON()),
        sa.Column("budget_units", sa.BigInteger()),
        sa.Column("budget_period", sa.Text()),
        sa.Column("requests_per_minute", sa.Integer()),
        sa.Column("concurrency", sa.Integer()),
        sa.Column("chat_image_style", sa.Text(), nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("revoked_at", TIME),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("budget_period IN ('total', 'day', 'month')", name=op.f("ck_keys_budget_period")),
        sa.CheckConstraint("chat_image_style IN ('markdown', 'data', 'url')", name=op.f("ck_keys_chat_image_style")),
        sa.CheckConstraint("(budget_units IS NULL) = (budget_period IS NULL)", name=op.f("ck_keys_budget")),
        sa.CheckConstraint(f"budget_units >= 0 AND budget_units <= {MAX}", name=op.f("ck_keys_budget_range")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_keys_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_keys_secret_hash")),
    )
    op.create_index("ix_keys_account_id_created_at_id", "keys", ["account_id", "created_at", "id"])


def _ledger() -> None:
    op.create_table(
        "key_periods",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("held_units", sa.BigInteger(), nullable=False),
        sa.Column("spent_units", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("held_units >= 0", name=op.f("ck_key_periods_held")),
        sa.CheckConstraint("spent_units >= 0", name=op.f("ck_key_periods_spent")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_key_periods_key_id_keys")),
        sa.PrimaryKeyConstraint("key_id", "period", name=op.f("pk_key_periods")),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text()),
        sa.Column("period", sa.Text()),
        sa.Column("charge_id", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("hold_units", sa.BigInteger()),
        sa.Column("price", sa.JSON()),
        sa.Column("reason", sa.Text()),
        sa.Column("actor", sa.Text()),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.CheckConstraint(
            "(kind IN ('capture', 'release')) = (hold_units IS NOT NULL)", name=op.f("ck_ledger_entries_resolves")
        ),
        sa.CheckConstraint(
            "(kind IN ('hold', 'capture', 'release')) = (charge_id IS NOT NULL)", name=op.f("ck_ledger_entries_charge")
        ),
        sa.CheckConstraint("kind <> 'capture' OR units <= hold_units", name=op.f("ck_ledger_entries_bounded_capture")),
        sa.CheckConstraint("kind <> 'release' OR units = hold_units", name=op.f("ck_ledger_entries_whole_release")),
        sa.CheckConstraint(
            "kind IN ('grant', 'hold', 'capture', 'release', 'adjust')", name=op.f("ck_ledger_entries_kind")
        ),
        sa.CheckConstraint("units >= 0 OR kind = 'adjust'", name=op.f("ck_ledger_entries_sign")),
        sa.CheckConstraint(f"abs(units) <= {MAX}", name=op.f("ck_ledger_entries_range")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_ledger_entries_account_id_accounts")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_ledger_entries_key_id_keys")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_ledger_entries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_ledger_entries_account_id_seq", "ledger_entries", ["account_id", "seq"])
    _partial("uq_ledger_entries_hold", "ledger_entries", ["charge_id"], "kind = 'hold'", unique=True)
    _partial(
        "uq_ledger_entries_resolution", "ledger_entries", ["charge_id"], "kind IN ('capture', 'release')", unique=True
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("price_units", sa.BigInteger(), nullable=False),
        sa.Column("hold_units", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("images_delivered", sa.Integer(), nullable=False),
        sa.Column("catalog_revision", sa.Integer(), nullable=False),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("lease_token", sa.Text()),
        sa.Column("lease_until", TIME),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("error", sa.JSON()),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("usage", sa.JSON()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("user_metadata", sa.JSON(), nullable=False),
        sa.Column("webhook_url", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.Column("deadline_at", TIME, nullable=False),
        sa.Column("expires_at", TIME),
        sa.CheckConstraint("(status = 'in_progress') = (lease_token IS NOT NULL)", name=op.f("ck_tasks_lease")),
        sa.CheckConstraint(
            "(status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_tasks_finished"),
        ),
        sa.CheckConstraint("mode IN ('sync', 'async')", name=op.f("ck_tasks_mode")),
        sa.CheckConstraint(
            "status IN ('queued', 'in_progress', 'succeeded', 'failed', 'cancelled')", name=op.f("ck_tasks_status")
        ),
        sa.CheckConstraint("n > 0 AND images_delivered BETWEEN 0 AND n", name=op.f("ck_tasks_images")),
        sa.CheckConstraint("price_units >= 0 AND units BETWEEN 0 AND hold_units", name=op.f("ck_tasks_bounded_charge")),
        sa.CheckConstraint("progress BETWEEN 0 AND 100", name=op.f("ck_tasks_progress")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_tasks_account_id_accounts")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_tasks_key_id_keys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_account_id_created_at_id", "tasks", ["account_id", "created_at", "id"])
    op.create_index("ix_tasks_created_at_id", "tasks", ["created_at", "id"])
    _partial("ix_tasks_leases", "tasks", ["lease_until"], "status = 'in_progress'")
    _partial("ix_tasks_queued", "tasks", ["created_at", "id"], "status = 'queued'")
    _partial("ix_tasks_queued_deadline", "tasks", ["deadline_at"], "status = 'queued'")
    _partial("ix_tasks_running_by_key", "tasks", ["key_id"], "status = 'in_progress'")
    _partial("ix_tasks_running_by_owner", "tasks", ["owner"], "status = 'in_progress'")


def _attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("vendor_model", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text()),
        sa.Column("images_asked", sa.Integer(), nullable=False),
        sa.Column("images_delivered", sa.Integer(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("failure", sa.Text()),
        sa.Column("detail", sa.Text()),
        sa.Column("cost_units", sa.BigInteger(), nullable=False),
        sa.Column("exposure_units", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("sent_at", TIME),
        sa.Column("finished_at", TIME),
        sa.CheckConstraint(
            "state IN ('intended', 'sent', 'accepted', 'refused', 'unknown')", name=op.f("ck_attempts_state")
        ),
        sa.CheckConstraint("cost_units >= 0 AND exposure_units >= 0", name=op.f("ck_attempts_units")),
        sa.CheckConstraint("images_asked > 0 AND images_delivered >= 0", name=op.f("ck_attempts_images")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_attempts_task_id_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("task_id", "slot", "ordinal", name=op.f("uq_attempts_task_id_slot_ordinal")),
    )
    _partial("ix_attempts_unknown", "attempts", ["created_at", "id"], "state = 'unknown'")
    op.create_index("ix_attempts_vendor_created_at", "attempts", ["vendor", "created_at"])


def _results() -> None:
    op.create_table(
        "media",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("mime", sa.Text(), nullable=False),
        sa.Column("extension", sa.Text(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("revised_prompt", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("erased_at", TIME),
        sa.CheckConstraint("role IN ('output', 'input')", name=op.f("ck_media_role")),
        sa.CheckConstraint("size_bytes > 0", name=op.f("ck_media_size")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_media_account_id_accounts")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_media_task_id_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_media")),
        sa.UniqueConstraint("task_id", "role", "position", name=op.f("uq_media_task_id_role_position")),
    )
    _partial("ix_media_expires_at", "media", ["expires_at"], "erased_at IS NULL")
    op.create_table(
        "chats",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text()),
        sa.Column("vendor_model", sa.Text()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=False),
        sa.Column("output_tokens", sa.BigInteger(), nullable=False),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("cost_units", sa.BigInteger(), nullable=False),
        sa.Column("exposure_units", sa.BigInteger(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("finished_at", TIME, nullable=False),
        sa.CheckConstraint("units >= 0 AND cost_units >= 0 AND exposure_units >= 0", name=op.f("ck_chats_units")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_chats_account_id_accounts")),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name=op.f("fk_chats_key_id_keys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_chats")),
    )
    op.create_index("ix_chats_created_at_id", "chats", ["created_at", "id"])


def _records() -> None:
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer()),
        sa.Column("headers", sa.JSON()),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.CheckConstraint("state IN ('running', 'done')", name=op.f("ck_idempotency_state")),
        sa.CheckConstraint("length(body) <= 1048576", name=op.f("ck_idempotency_body")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_idempotency_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_idempotency")),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("task_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("last_status", sa.Integer()),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("delivered_at", TIME),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_webhook_deliveries_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_webhook_deliveries_task_id_tasks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index("ix_webhook_deliveries_created_at_id", "webhook_deliveries", ["created_at", "id"])
    _partial("ix_webhook_deliveries_pending", "webhook_deliveries", ["next_at"], "state = 'pending'")


def _operators() -> None:
    op.create_table(
        "catalog_revisions",
        sa.Column("n", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text()),
        sa.Column("created_at", TIME, nullable=False),
        sa.CheckConstraint("format IN ('yaml', 'json')", name=op.f("ck_catalog_revisions_format")),
        sa.CheckConstraint("n > 0", name=op.f("ck_catalog_revisions_n")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_catalog_revisions")),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON()),
        sa.Column("after", sa.JSON()),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_at_id", "audit", ["at", "id"])
    op.create_table(
        "workers",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("heartbeat_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "drained_vendors",
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("vendor", name=op.f("pk_drained_vendors")),
    )


def _close_ledger() -> None:
    """Triggers that refuse UPDATE and DELETE (L6); on PostgreSQL TRUNCATE too."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER ledger_entries_no_{verb.lower()} BEFORE {verb} ON ledger_entries "
                f"BEGIN SELECT RAISE(ABORT, '{APPEND_ONLY}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{APPEND_ONLY}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for name, event in (("change", "UPDATE OR DELETE"), ("truncate", "TRUNCATE")):
        op.execute(
            f"CREATE TRIGGER ledger_entries_no_{name} BEFORE {event} ON ledger_entries "
            "EXECUTE FUNCTION refuse_ledger_change()"
        )
