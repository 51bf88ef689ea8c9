"""`/admin/usage`: what was asked, delivered, charged and paid, as JSON or CSV with the same columns."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter
from fastapi import Query as InQuery
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from starlette.responses import JSONResponse, Response

from app.gateway.account_forms import LATEST_TIME_S
from app.gateway.services import Services
from app.store.reports import Dimension, Usage, usage
from app.web.admin.forms import IdQuery, Query, admin_router
from app.web.admin.rendering import Document
from app.web.admin.tabular import csv_of

SUMS: Final = (
    "requests",
    "images",
    "input_tokens",
    "output_tokens",
    "price_units",
    "cost_units",
    "margin_units",
    "exposure_units",
)

_SECONDS: Final = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


def _moment(said: Any) -> Any:
    """Unix seconds, or the midnight (UTC) that a day begins with."""
    if not isinstance(said, str) or _SECONDS.fullmatch(said):
        return said
    try:
        return datetime.combine(date.fromisoformat(said), datetime.min.time(), UTC).timestamp()
    except ValueError:
        raise ValueError("must be a day such as 2026-11-20, or unix seconds") from None


def moment_of(said: str) -> float:
    """Unix seconds, or the midnight (UTC) that a day begins with. Raises: ValueError."""
    return float(_moment(said))


def _listed(said: Any) -> Any:
    return [name for part in said for name in str(part).split(",")] if isinstance(said, list) else said


def _distinct(names: list[Dimension]) -> list[Dimension]:
    if len(set(names)) < len(names):
        raise ValueError("must not say a dimension twice")
    return names


Moment = Annotated[
    float,
    BeforeValidator(_moment),
    Field(ge=0, le=LATEST_TIME_S),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": LATEST_TIME_S}, {"type": "string", "format": "date"}]}
    ),
]


class UsageQuery(Query):
    """By what to sum, and from when until before when; without dimensions it is one sum of all."""

    group_by: Annotated[list[Dimension], BeforeValidator(_listed), AfterValidator(_distinct)] = Field(
        [], json_schema_extra={"uniqueItems": True}
    )
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="to")
    account: IdQuery = None
    key: IdQuery = None
    format: Literal["json", "csv"] = "json"


def router(services: Services) -> APIRouter:
    """The route of usage."""
    routes = admin_router(services)

    @routes.get("/usage")
    async def sums(query: Annotated[UsageQuery, InQuery()]) -> Response:
        """Sums by account, key, model, vendor and day (UTC) of creation."""
        found = await services.database.read(
            lambda tx: usage(
                tx,
                group_by=query.group_by,
                start=query.start,
                end=query.end,
                account_id=query.account,
                key_id=query.key,
            )
        )
        rows = [_row(query.group_by, group) for group in found]
        if query.format == "csv":
            return Response(csv_of([*query.group_by, *SUMS], rows), media_type="text/csv")
        return JSONResponse({"group_by": query.group_by, "items": rows})

    return routes


def _row(dimensions: Sequence[Dimension], group: Usage) -> Document:
    return {
        **dict(zip(dimensions, group.group, strict=True)),
        "requests": group.requests,
        "images": group.images,
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "price_units": group.units,
        "cost_units": group.cost_units,
        "margin_units": group.margin_units,
        "exposure_units": group.exposure_units,
    }
