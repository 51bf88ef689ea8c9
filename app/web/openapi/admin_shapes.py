"""What `/admin` answers, object by object, as `app/web/admin` renders it."""

from typing import Final

from app.web.openapi.shapes import (
    ANYTHING,
    COUNT,
    FLAG,
    NUMBER,
    OBJECT,
    TEXT,
    TEXTS,
    TIME,
    UNITS,
    WHOLE,
    Schema,
    listed,
    obj,
    one_of,
    or_null,
    page_of,
)

_ACCOUNT: Final = {
    "id": TEXT,
    "name": TEXT,
    "billing": one_of("prepaid", "unlimited"),
    "balance_units": WHOLE,
    "held_units": COUNT,
    "available_units": WHOLE,
    "disabled": FLAG,
    "webhook_url": or_null(TEXT),
    "created_at": TIME,
}
ACCOUNT: Final = obj(_ACCOUNT)
ACCOUNT_ONCE: Final = obj({**_ACCOUNT, "webhook_secret": TEXT})

_BUDGET: Final = obj({"units": COUNT, "period": one_of("total", "day", "month")})
_BUDGET_USAGE: Final = obj({"period": TEXT, "held_units": COUNT, "spent_units": COUNT, "available_units": COUNT})
_KEY: Final = {
    "id": TEXT,
    "account_id": TEXT,
    "name": TEXT,
    "hint": TEXT,
    "models": or_null(listed(TEXT)),
    "budget": or_null(_BUDGET),
    "budget_usage": or_null(_BUDGET_USAGE),
    "requests_per_minute": or_null(COUNT),
    "concurrency": or_null(COUNT),
    "expires_at": or_null(TIME),
    "chat_image_style": one_of("markdown", "data", "url"),
    "created_at": TIME,
    "revoked_at": or_null(TIME),
}
KEY: Final = obj(_KEY)
NEW_KEY: Final = obj({**_KEY, "key": TEXT})

ENTRY: Final = obj(
    {
        "id": COUNT,
        "kind": one_of("grant", "hold", "capture", "release", "adjust"),
        "units": WHOLE,
        "account_id": TEXT,
        "key_id": or_null(TEXT),
        "charge_id": or_null(TEXT),
        "hold_units": or_null(COUNT),
        "period": or_null(TEXT),
        "price": or_null(UNITS),
        "estimated": FLAG,
        "reason": or_null(TEXT),
        "actor": or_null(TEXT),
        "created_at": TIME,
    }
)
VERIFICATION: Final = obj({"ok": FLAG, "entries": COUNT, "accounts": COUNT, "violations": listed(TEXT)})

WARNING: Final = obj({"code": TEXT, "param": or_null(TEXT), "message": TEXT})
STATUS: Final = one_of("queued", "in_progress", "succeeded", "failed", "cancelled")
_TASK: Final = {
    "id": TEXT,
    "account_id": TEXT,
    "key_id": TEXT,
    "model": TEXT,
    "surface": one_of("openai_chat", "openai_images", "image_tasks", "gemini"),
    "mode": one_of("sync", "async"),
    "status": STATUS,
    "progress": {"type": "integer", "minimum": 0, "maximum": 100},
    "images_requested": COUNT,
    "images_delivered": COUNT,
    "units": COUNT,
    "error": or_null(
        obj({"message": TEXT, "type": TEXT, "param": or_null(TEXT), "code": TEXT}, optional={"status": WHOLE})
    ),
    "cancel_requested": FLAG,
    "created_at": TIME,
    "started_at": or_null(TIME),
    "finished_at": or_null(TIME),
    "deadline_at": TIME,
    "expires_at": or_null(TIME),
}
_ATTEMPT: Final = obj(
    {
        "id": TEXT,
        "slot": COUNT,
        "ordinal": COUNT,
        "vendor": TEXT,
        "vendor_model": TEXT,
        "state": one_of("intended", "sent", "accepted", "refused", "unknown"),
        "handle": or_null(TEXT),
        "images_asked": COUNT,
        "images_delivered": COUNT,
        "http_status": or_null(WHOLE),
        "failure": or_null(TEXT),
        "detail": or_null(TEXT),
        "cost_units": COUNT,
        "exposure_units": COUNT,
        "created_at": TIME,
        "sent_at": or_null(TIME),
        "finished_at": or_null(TIME),
    }
)
_PICTURE: Final = obj(
    {
        "media_id": TEXT,
        "url": or_null(TEXT),
        "mime_type": TEXT,
        "width": COUNT,
        "height": COUNT,
        "size_bytes": COUNT,
        "sha256": TEXT,
        "expires_at": TIME,
        "erased_at": or_null(TIME),
    }
)
TASK: Final = obj({**_TASK, "picture": or_null(_PICTURE)})
_CHARGE: Final = obj(
    {
        "price_units": COUNT,
        "hold_units": COUNT,
        "units": COUNT,
        "cost_units": COUNT,
        "margin_units": WHOLE,
        "exposure_units": COUNT,
        "entries": listed(ENTRY),
    }
)
TASK_FILE: Final = obj(
    {
        **_TASK,
        "catalog_revision": COUNT,
        "request": OBJECT,
        "text": TEXT,
        "usage": or_null(OBJECT),
        "warnings": listed(WARNING),
        "user_metadata": TEXTS,
        "webhook_url": or_null(TEXT),
        "owner": or_null(TEXT),
        "lease_until": or_null(TIME),
        "attempts": listed(_ATTEMPT),
        "results": listed(_PICTURE),
        "charge": _CHARGE,
        "timeline": listed(obj({"at": NUMBER, "event": TEXT}, optional={"attempt": TEXT, "vendor": TEXT})),
    }
)

_SUMS: Final = {
    "requests": COUNT,
    "images": COUNT,
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "price_units": WHOLE,
    "cost_units": WHOLE,
    "margin_units": WHOLE,
    "exposure_units": WHOLE,
}
_DIMENSIONS: Final = ("account", "key", "model", "vendor", "day")
USAGE: Final = obj(
    {
        "group_by": listed(one_of(*_DIMENSIONS)),
        "items": listed(obj(_SUMS, optional={name: or_null(TEXT) for name in _DIMENSIONS})),
    }
)

_TARGET: Final = obj(
    {
        "vendor": TEXT,
        "model": TEXT,
        "resolution": or_null(TEXT),
        "priority": WHOLE,
        "weight": COUNT,
        "configured": FLAG,
        "cost": UNITS,
        "margin": UNITS,
    }
)
MODELS: Final = obj(
    {
        "revision": COUNT,
        "currency": TEXT,
        "items": listed(
            obj(
                {
                    "id": TEXT,
                    "kind": one_of("image", "chat"),
                    "available": FLAG,
                    "family": or_null(TEXT),
                    "default_of_family": FLAG,
                    "resolution": or_null(TEXT),
                    "aliases": listed(TEXT),
                    "aspect_ratios": listed(TEXT),
                    "output_formats": listed(TEXT),
                    "max_images": COUNT,
                    "max_n": COUNT,
                    "mask": FLAG,
                    "max_output_tokens": or_null(COUNT),
                    "price": UNITS,
                    "targets": listed(_TARGET),
                }
            )
        ),
    }
)

_HEALTH: Final = {
    "breaker": one_of("closed", "open", "half_open"),
    "failures_in_row": COUNT,
    "openings": COUNT,
    "rest_s": NUMBER,
    "share": NUMBER,
    "overdue": COUNT,
    "seen": COUNT,
    "error_rate": or_null(NUMBER),
    "delivered_image_rate": or_null(NUMBER),
    "wrong_image_rate": or_null(NUMBER),
    "latency_p50_s": or_null(NUMBER),
    "latency_p95_s": or_null(NUMBER),
    "latency_p99_s": or_null(NUMBER),
}
VENDOR: Final = obj(
    {
        "name": TEXT,
        "dialect": TEXT,
        "base_url": TEXT,
        "configured": FLAG,
        "keys": COUNT,
        "keys_ready": COUNT,
        "credentials": listed(obj({"id": TEXT, "refusals": COUNT, "rest_s": NUMBER})),
        "timeout_s": NUMBER,
        "concurrency": COUNT,
        "places": COUNT,
        "in_use": COUNT,
        "waiting": COUNT,
        "options": OBJECT,
        "models": listed(TEXT),
        "drained": FLAG,
        "exposure_units": COUNT,
        **_HEALTH,
        "targets": listed(obj({"model": TEXT, **_HEALTH})),
    }
)
VENDORS: Final = obj({"revision": COUNT, "items": listed(VENDOR)})
_PROBE: Final = {
    "model": TEXT,
    "vendor_model": TEXT,
    "ok": FLAG,
    "failure": or_null(TEXT),
    "detail": TEXT,
    "seconds": NUMBER,
    "status": or_null(WHOLE),
    "form": or_null(TEXT),
    "pictures_at": listed(TEXT),
    "asked": obj({"aspect_ratio": or_null(TEXT), "resolution": or_null(TEXT)}),
    "sizes": listed(TEXT),
    "suggestions": listed(TEXT),
}
PROBED: Final = obj({"vendor": TEXT, "findings": listed(obj(_PROBE))})
PROBES: Final = obj({"vendor": TEXT, "items": listed(obj({"at": TIME, **_PROBE}))})
_EXACT: Final = obj({"method": TEXT, "url": TEXT, "headers": TEXTS, "body": ANYTHING})
EXPLANATION: Final = obj(
    {
        "model": TEXT,
        "kind": one_of("image", "chat"),
        "request": OBJECT,
        "hold_units": COUNT,
        "warnings": listed(WARNING),
        "refusal": or_null(obj({"status": WHOLE, "message": TEXT, "type": TEXT, "param": or_null(TEXT), "code": TEXT})),
        "targets": listed(
            obj(
                {
                    "vendor": TEXT,
                    "model": TEXT,
                    "priority": WHOLE,
                    "weight": COUNT,
                    "order": or_null(WHOLE),
                    "first_chance": NUMBER,
                    "reason": or_null(TEXT),
                    "rest_s": NUMBER,
                    "calls": COUNT,
                    "request": or_null(_EXACT),
                    "warnings": listed(WARNING),
                }
            )
        ),
    }
)

FINDING: Final = obj({"path": TEXT, "line": or_null(WHOLE), "message": TEXT})
PROPOSAL: Final = obj(
    {
        "revision": COUNT,
        "changes": listed(obj({"path": TEXT, "before": ANYTHING, "after": ANYTHING})),
        "warnings": listed(FINDING),
        "dry_run": FLAG,
    }
)
REVISIONS: Final = page_of(
    obj(
        {
            "revision": COUNT,
            "format": one_of("yaml", "json"),
            "author": TEXT,
            "comment": or_null(TEXT),
            "created_at": TIME,
        }
    )
)
DELIVERY: Final = obj(
    {
        "id": TEXT,
        "task_id": TEXT,
        "account_id": TEXT,
        "event": TEXT,
        "url": TEXT,
        "state": one_of("pending", "delivered", "failed"),
        "attempts": COUNT,
        "last_status": or_null(WHOLE),
        "created_at": TIME,
        "next_at": or_null(TIME),
        "delivered_at": or_null(TIME),
    }
)
CHANGE: Final = obj(
    {
        "id": TEXT,
        "created_at": TIME,
        "actor": TEXT,
        "action": TEXT,
        "subject": TEXT,
        "before": or_null(OBJECT),
        "after": or_null(OBJECT),
    }
)
BACKUP: Final = obj({"path": TEXT, "size_bytes": COUNT, "seconds": NUMBER})
ERRORS_OF_CATALOG: Final[Schema] = obj({"errors": listed(FINDING)})
