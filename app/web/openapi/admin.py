"""The operations of `/admin` and `/metrics`."""

from collections.abc import Mapping
from typing import Final

from app.web.openapi import admin_shapes as shapes
from app.web.openapi import bill_shapes
from app.web.openapi.shapes import ANYTHING, OBJECT, TEXT, Operation, Parameter, Schema, json_of, listed, obj, page_of

_ALWAYS: Final = (400, 401, 403, 429, 500, 503)
_FOUND: Final = (*_ALWAYS, 404)
_TAKES: Final = (*_ALWAYS, 413, 415)

ACTIONS: Final = "/admin/accounts/{account_id}"
CATALOG_ERROR: Final[Schema] = {"$ref": "#/components/schemas/CatalogError"}
BILL_ERROR: Final[Schema] = {"$ref": "#/components/schemas/BillError"}
_IF_MATCH: Final = Parameter(
    "If-Match", "header", {"type": "string", "pattern": r'^(W/)?"[0-9]{1,10}"$'}, "The revision that it was made from."
)


def _shows(schema: Schema, *, errors: tuple[int, ...] = _ALWAYS, status: int = 200) -> Operation:
    return Operation(json_of(schema), status=status, errors=errors, guard="admin")


OPERATIONS: Final[Mapping[tuple[str, str], Operation]] = {
    ("get", "/admin/accounts"): _shows(page_of(shapes.ACCOUNT)),
    ("post", "/admin/accounts"): _shows(shapes.ACCOUNT_ONCE, errors=_TAKES, status=201),
    ("get", ACTIONS): _shows(shapes.ACCOUNT, errors=_FOUND),
    ("patch", ACTIONS): _shows(shapes.ACCOUNT, errors=(*_TAKES, 404)),
    ("post", f"{ACTIONS}/rotate-webhook-secret"): _shows(shapes.ACCOUNT_ONCE, errors=_FOUND),
    ("post", f"{ACTIONS}/grants"): _shows(shapes.ENTRY, errors=(*_TAKES, 404), status=201),
    ("post", f"{ACTIONS}/adjustments"): _shows(shapes.ENTRY, errors=(*_TAKES, 404), status=201),
    ("get", "/admin/keys"): _shows(page_of(shapes.KEY)),
    ("post", "/admin/keys"): _shows(shapes.NEW_KEY, errors=(*_TAKES, 404), status=201),
    ("get", "/admin/keys/{key_id}"): _shows(shapes.KEY, errors=_FOUND),
    ("patch", "/admin/keys/{key_id}"): _shows(shapes.KEY, errors=(*_TAKES, 404)),
    ("post", "/admin/keys/{key_id}/revoke"): _shows(shapes.KEY, errors=_FOUND),
    ("get", "/admin/ledger/entries"): _shows(page_of(shapes.ENTRY)),
    ("get", "/admin/ledger/verify"): _shows(shapes.VERIFICATION),
    ("get", "/admin/tasks"): _shows(page_of(shapes.TASK)),
    ("get", "/admin/tasks/{task_id}"): _shows(shapes.TASK_FILE, errors=_FOUND),
    ("post", "/admin/tasks/{task_id}/cancel"): _shows(shapes.TASK_FILE, errors=_FOUND),
    ("post", "/admin/tasks/{task_id}/resolve"): _shows(shapes.TASK_FILE, errors=(*_TAKES, 404, 409)),
    ("get", "/admin/usage"): Operation(
        {"application/json": shapes.USAGE, "text/csv": TEXT}, errors=_ALWAYS, guard="admin"
    ),
    ("get", "/admin/reconciliation"): Operation(
        {"application/json": bill_shapes.RECONCILIATION, "text/csv": TEXT}, errors=_ALWAYS, guard="admin"
    ),
    ("get", "/admin/bills"): _shows(page_of(bill_shapes.BILL)),
    ("post", "/admin/bills"): Operation(
        json_of(bill_shapes.BILL_VIEW),
        status=201,
        errors=(*_TAKES, 404),
        also={200: json_of(bill_shapes.BILL_VIEW), 400: json_of(BILL_ERROR)},
        guard="admin",
    ),
    ("get", "/admin/bills/{bill_id}"): _shows(bill_shapes.BILL_VIEW, errors=_FOUND),
    ("get", "/admin/bills/{bill_id}/lines"): _shows(page_of(bill_shapes.BILL_LINE), errors=_FOUND),
    ("post", "/admin/bills/{bill_id}/withdraw"): _shows(bill_shapes.BILL_VIEW, errors=_FOUND),
    ("get", "/admin/models"): _shows(shapes.MODELS),
    ("get", "/admin/prices"): _shows(page_of(bill_shapes.PRICED)),
    ("get", "/admin/vendors"): _shows(shapes.VENDORS),
    ("post", "/admin/vendors/{name}/drain"): _shows(shapes.VENDOR, errors=_FOUND),
    ("post", "/admin/vendors/{name}/undrain"): _shows(shapes.VENDOR, errors=_FOUND),
    ("post", "/admin/vendors/{name}/probe"): _shows(shapes.PROBED, errors=_FOUND),
    ("get", "/admin/vendors/{name}/probes"): _shows(shapes.PROBES, errors=_FOUND),
    ("post", "/admin/explain"): _shows(shapes.EXPLANATION, errors=(*_TAKES, 404)),
    ("get", "/admin/catalog"): Operation(
        {"application/json": OBJECT, "application/yaml": ANYTHING},
        errors=_ALWAYS,
        headers=("etag",),
        also={400: json_of(CATALOG_ERROR)},
        guard="admin",
    ),
    ("put", "/admin/catalog"): Operation(
        json_of(shapes.PROPOSAL),
        errors=(*_TAKES, 409),
        parameters=(_IF_MATCH,),
        also={400: json_of(CATALOG_ERROR)},
        guard="admin",
    ),
    ("get", "/admin/catalog/revisions"): _shows(shapes.REVISIONS),
    ("post", "/admin/catalog/revisions/{number}/restore"): Operation(
        json_of(shapes.PROPOSAL), errors=(*_FOUND, 409), also={400: json_of(CATALOG_ERROR)}, guard="admin"
    ),
    ("get", "/admin/webhooks"): _shows(page_of(shapes.DELIVERY)),
    ("post", "/admin/webhooks/{delivery_id}/redeliver"): _shows(shapes.DELIVERY, errors=_FOUND),
    ("get", "/admin/audit"): _shows(page_of(shapes.CHANGE)),
    ("post", "/admin/backup"): _shows(shapes.BACKUP, errors=(*_ALWAYS, 409), status=201),
    ("get", "/openapi.json"): _shows(OBJECT),
    ("get", "/metrics"): Operation({"text/plain": TEXT}, errors=_ALWAYS, guard="metrics"),
}

SCHEMAS: Final[Mapping[str, Schema]] = {
    "BillError": obj(
        {"error": {"$ref": "#/components/schemas/ErrorDetail"}}, optional={"oneshape": obj({"errors": listed(TEXT)})}
    ),
    "CatalogError": obj(
        {"error": {"$ref": "#/components/schemas/ErrorDetail"}},
        optional={"oneshape": obj({"errors": listed(shapes.FINDING)})},
    ),
}
