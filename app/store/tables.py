"""Every table, index and constraint, as SQLAlchemy Core metadata. Queries live beside the things they are about.

Times are unix seconds, money is integer units, ids are the texts of `core.ids`. Nothing is defaulted by the database:
the two databases would disagree, and a row's values are the caller's to say. The triggers that keep the ledger
append-only (L6) are in the first migration.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from app.store.columns import Document, VendorText

MAX_UNITS_SQL: Final = "9007199254740991"
"""`core.pricing.MAX_UNITS`, 2^53 - 1, as it stands in constraints (L13)."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

TIME: Final = Float(53)


def _where(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """A partial index, on both databases."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


accounts = Table(
    "accounts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("billing", Text, nullable=False),
    # Grants + adjustments - captures; what is held is still in it.
    Column("balance_units", BigInteger, nullable=False),
    Column("held_units", BigInteger, nullable=False),
    Column("webhook_url", Text),
    Column("webhook_secret", Text),
    Column("webhook_secret_old", Text),
    Column("webhook_secret_old_until", TIME),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", TIME, nullable=False),
    CheckConstraint("billing IN ('prepaid', 'unlimited')", name="billing"),
    CheckConstraint("held_units >= 0", name="held"),
    CheckConstraint("billing = 'unlimited' OR held_units <= balance_units", name="no_overspend"),
    CheckConstraint(f"abs(balance_units) <= {MAX_UNITS_SQL} AND held_units <= {MAX_UNITS_SQL}", name="range"),
    Index("ix_accounts_created_at_id", "created_at", "id"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("models", Document),
    Column("budget_units", BigInteger),
    Column("budget_period", Text),
    Column("requests_per_minute", Integer),
    Column("concurrency", Integer),
    Column("chat_image_style", Text, nullable=False),
    Column("expires_at", TIME),
    Column("revoked_at", TIME),
    Column("created_at", TIME, nullable=False),
    UniqueConstraint("secret_hash"),
    CheckConstraint("budget_period IN ('total', 'day', 'month')", name="budget_period"),
    CheckConstraint("(budget_units IS NULL) = (budget_period IS NULL)", name="budget"),
    CheckConstraint(f"budget_units >= 0 AND budget_units <= {MAX_UNITS_SQL}", name="budget_range"),
    CheckConstraint("chat_image_style IN ('markdown', 'data', 'url')", name="chat_image_style"),
    Index("ix_keys_account_id_created_at_id", "account_id", "created_at", "id"),
)

key_periods = Table(
    "key_periods",
    metadata,
    Column("key_id", Text, ForeignKey("keys.id"), primary_key=True),
    Column("period", Text, primary_key=True),
    Column("held_units", BigInteger, nullable=False),
    Column("spent_units", BigInteger, nullable=False),
    CheckConstraint("held_units >= 0", name="held"),
    CheckConstraint("spent_units >= 0", name="spent"),
)

ledger_entries = Table(
    "ledger_entries",
    metadata,
    # The order of entries is this sequence, never their time (L14).
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("key_id", Text, ForeignKey("keys.id")),
    Column("period", Text),
    Column("charge_id", Text),
    Column("kind", Text, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("hold_units", BigInteger),
    Column("price", Document),
    Column("reason", Text),
    Column("actor", Text),
    Column("estimated", Boolean, nullable=False),
    Column("at", TIME, nullable=False),
    CheckConstraint("kind IN ('grant', 'hold', 'capture', 'release', 'adjust')", name="kind"),
    CheckConstraint("units >= 0 OR kind = 'adjust'", name="sign"),
    CheckConstraint(f"abs(units) <= {MAX_UNITS_SQL}", name="range"),
    CheckConstraint("(kind IN ('hold', 'capture', 'release')) = (charge_id IS NOT NULL)", name="charge"),
    CheckConstraint("(kind IN ('capture', 'release')) = (hold_units IS NOT NULL)", name="resolves"),
    CheckConstraint("kind <> 'capture' OR units <= hold_units", name="bounded_capture"),
    CheckConstraint("kind <> 'release' OR units = hold_units", name="whole_release"),
    Index("ix_ledger_entries_account_id_seq", "account_id", "seq"),
    _where("uq_ledger_entries_hold", "charge_id", where="kind = 'hold'", unique=True),
    _where("uq_ledger_entries_resolution", "charge_id", where="kind IN ('capture', 'release')", unique=True),
    sqlite_autoincrement=True,
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("request", Document, nullable=False),
    Column("n", Integer, nullable=False),
    Column("price_units", BigInteger, nullable=False),
    Column("hold_units", BigInteger, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("images_delivered", Integer, nullable=False),
    Column("catalog_revision", Integer, nullable=False),
    Column("progress", Integer, nullable=False),
    Column("owner", Text),
    Column("lease_token", Text),
    Column("lease_until", TIME),
    Column("cancel_requested", Boolean, nullable=False),
    Column("error", Document),
    Column("warnings", Document, nullable=False),
    Column("usage", Document),
    Column("text", VendorText, nullable=False),
    Column("user_metadata", Document, nullable=False),
    Column("webhook_url", Text),
    Column("created_at", TIME, nullable=False),
    Column("started_at", TIME),
    Column("finished_at", TIME),
    Column("deadline_at", TIME, nullable=False),
    Column("expires_at", TIME),
    CheckConstraint("mode IN ('sync', 'async')", name="mode"),
    CheckConstraint("status IN ('queued', 'in_progress', 'succeeded', 'failed', 'cancelled')", name="status"),
    CheckConstraint("n > 0 AND images_delivered BETWEEN 0 AND n", name="images"),
    CheckConstraint("price_units >= 0 AND units BETWEEN 0 AND hold_units", name="bounded_charge"),
    CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
    CheckConstraint("(status = 'in_progress') = (lease_token IS NOT NULL)", name="lease"),
    CheckConstraint("(status IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)", name="finished"),
    Index("ix_tasks_account_id_created_at_id", "account_id", "created_at", "id"),
    Index("ix_tasks_created_at_id", "created_at", "id"),
    _where("ix_tasks_queued", "created_at", "id", where="status = 'queued'"),
    _where("ix_tasks_queued_deadline", "deadline_at", where="status = 'queued'"),
    _where("ix_tasks_running_by_key", "key_id", where="status = 'in_progress'"),
    _where("ix_tasks_running_by_owner", "owner", where="status = 'in_progress'"),
    _where("ix_tasks_leases", "lease_until", where="status = 'in_progress'"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task_id", Text, ForeignKey("tasks.id"), nullable=False),
    # A task for n pictures is fanned out into slots; each slot has its own attempts, in order.
    Column("slot", Integer, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("vendor", Text, nullable=False),
    Column("vendor_model", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("handle", VendorText),
    Column("images_asked", Integer, nullable=False),
    Column("images_delivered", Integer, nullable=False),
    Column("http_status", Integer),
    Column("failure", Text),
    Column("detail", VendorText),
    Column("cost_units", BigInteger, nullable=False),
    Column("exposure_units", BigInteger, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("sent_at", TIME),
    Column("finished_at", TIME),
    UniqueConstraint("task_id", "slot", "ordinal"),
    CheckConstraint("state IN ('intended', 'sent', 'accepted', 'refused', 'unknown')", name="state"),
    CheckConstraint("cost_units >= 0 AND exposure_units >= 0", name="units"),
    CheckConstraint("images_asked > 0 AND images_delivered >= 0", name="images"),
    Index("ix_attempts_vendor_created_at", "vendor", "created_at"),
    _where("ix_attempts_unknown", "created_at", "id", where="state = 'unknown'"),
)

media = Table(
    "media",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task_id", Text, ForeignKey("tasks.id"), nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("role", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("mime", Text, nullable=False),
    Column("extension", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("revised_prompt", VendorText),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    Column("erased_at", TIME),
    UniqueConstraint("task_id", "role", "position"),
    CheckConstraint("role IN ('output', 'input')", name="role"),
    CheckConstraint("size_bytes > 0", name="size"),
    _where("ix_media_expires_at", "expires_at", where="erased_at IS NULL"),
)

chats = Table(
    "chats",
    metadata,
    Column("id", Text, primary_key=True),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("key_id", Text, ForeignKey("keys.id"), nullable=False),
    Column("model", Text, nullable=False),
    Column("vendor", Text),
    Column("vendor_model", Text),
    Column("outcome", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("estimated", Boolean, nullable=False),
    Column("units", BigInteger, nullable=False),
    Column("cost_units", BigInteger, nullable=False),
    Column("exposure_units", BigInteger, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("finished_at", TIME, nullable=False),
    CheckConstraint("units >= 0 AND cost_units >= 0 AND exposure_units >= 0", name="units"),
    Index("ix_chats_created_at_id", "created_at", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.id"), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("task_id", Text),
    Column("state", Text, nullable=False),
    Column("status", Integer),
    Column("headers", Document),
    Column("body", LargeBinary),
    Column("created_at", TIME, nullable=False),
    Column("expires_at", TIME, nullable=False),
    CheckConstraint("state IN ('running', 'done')", name="state"),
    CheckConstraint("length(body) <= 1048576", name="body"),
    Index("ix_idempotency_expires_at", "expires_at"),
)

catalog_revisions = Table(
    "catalog_revisions",
    metadata,
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("comment", Text),
    Column("created_at", TIME, nullable=False),
    CheckConstraint("n > 0", name="n"),
    CheckConstraint("format IN ('yaml', 'json')", name="format"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", TIME, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("before", Document),
    Column("after", Document),
    Index("ix_audit_at_id", "at", "id"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("started_at", TIME, nullable=False),
    Column("heartbeat_at", TIME, nullable=False),
)

drained_vendors = Table(
    "drained_vendors",
    metadata,
    Column("vendor", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("at", TIME, nullable=False),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", Text, primary_key=True),
    Column("task_id", Text, ForeignKey("tasks.id"), nullable=False),
    Column("account_id", Text, ForeignKey("accounts.id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("payload", Document, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", TIME, nullable=False),
    Column("last_status", Integer),
    Column("created_at", TIME, nullable=False),
    Column("delivered_at", TIME),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    Index("ix_webhook_deliveries_created_at_id", "created_at", "id"),
    _where("ix_webhook_deliveries_pending", "next_at", where="state = 'pending'"),
)
