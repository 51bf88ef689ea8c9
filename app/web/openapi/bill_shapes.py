"""What `/admin/bills`, `/admin/reconciliation` and `/admin/prices` answer."""

from typing import Final

from app.web.openapi.shapes import COUNT, FLAG, TEXT, TIME, UNITS, WHOLE, Schema, listed, obj, one_of, or_null

_BILL: Final = {
    "id": TEXT,
    "vendor": TEXT,
    "name": TEXT,
    "lines": COUNT,
    "units": WHOLE,
    "actor": TEXT,
    "created_at": TIME,
    "finished_at": or_null(TIME),
}
BILL: Final = obj(_BILL)
_SUM: Final[Schema] = obj({"lines": COUNT, "units": WHOLE})
BILL_VIEW: Final = obj({**_BILL, "repeated": FLAG, "matches": {"type": "object", "additionalProperties": _SUM}})
BILL_LINE: Final = obj(
    {
        "line": COUNT,
        "match": one_of("matched", "differs", "unknown", "repeated", "unmatched", "total"),
        "at": or_null(TIME),
        "model": or_null(TEXT),
        "reference": or_null(TEXT),
        "quantity": or_null(COUNT),
        "units": WHOLE,
        "expected_units": or_null(COUNT),
        "attempt_id": or_null(TEXT),
    }
)
RECONCILIATION: Final = obj(
    {
        "by": one_of("day", "month", "total"),
        "items": listed(
            obj(
                {
                    "vendor": TEXT,
                    "model": or_null(TEXT),
                    "period": or_null(TEXT),
                    "attempts": COUNT,
                    "images": COUNT,
                    "charged_units": COUNT,
                    "expected_units": COUNT,
                    "unknown": COUNT,
                    "exposure_units": COUNT,
                    "billed_lines": COUNT,
                    "billed_units": WHOLE,
                    "unmatched_lines": COUNT,
                    "unmatched_units": WHOLE,
                    "unbilled": COUNT,
                    "unbilled_units": COUNT,
                    "difference_units": WHOLE,
                    "margin_units": WHOLE,
                }
            )
        ),
    }
)
PRICED: Final = obj(
    {
        "model": TEXT,
        "since": TIME,
        "revision": COUNT,
        "price": or_null(UNITS),
        "costs": {"type": "object", "additionalProperties": UNITS},
    }
)
