"""`/admin/bills` and `/admin/reconciliation`: what vendors bill, beside what we expected and charged."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from fastapi import Query as InQuery
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.core.errors import UnsupportedMediaType
from app.gateway.bill_reading import BYTES_MAX, BillInvalid
from app.gateway.bills import BillView
from app.gateway.services import Services
from app.store.bills import Bill, BillLine, Match
from app.store.reconciliation import SUMS, Period, Reconciled, reconcile
from app.web.admin.forms import ID_PATTERN, EntityId, IdQuery, Listing, Query, admin_router
from app.web.admin.rendering import Document, render_page, seconds
from app.web.admin.tabular import csv_of
from app.web.admin.usage import Moment
from app.web.body import demand_unencoded, read_small
from app.wire.openai import error_body

CSV_TYPES: Final = frozenset({"text/csv", "text/plain", "application/csv"})
COLUMNS: Final = ("vendor", "model", "period", *SUMS, "difference_units", "margin_units")


class Importing(Query):
    """Whose bill it is, and what its file is called."""

    vendor: Annotated[str, Field(pattern=ID_PATTERN)]
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")] = "bill.csv"


class BillListing(Listing):
    """Which bills."""

    vendor: IdQuery = None


class LineListing(Query):
    """Which lines of a bill. The cursor is a line's number."""

    match: Match | None = None
    limit: int = Field(20, ge=1, le=100)
    after: Annotated[str | None, Field(pattern=r"^[0-9]{1,9}$")] = None


class ReconciliationQuery(Query):
    """From when until before when, at whom, by what period."""

    by: Period = "month"
    start: Moment | None = Field(None, alias="from")
    end: Moment | None = Field(None, alias="to")
    vendor: IdQuery = None
    format: Literal["json", "csv"] = "json"


def router(services: Services) -> APIRouter:
    """The routes of bills."""
    routes = admin_router(services)
    bills = services.operations.bills

    @routes.get("/reconciliation")
    async def report(query: Annotated[ReconciliationQuery, InQuery()]) -> Response:
        """By vendor, its model and period: what we charged, what it should bill and may bill, and what it did bill."""
        found = await services.database.read(
            lambda tx: reconcile(tx, by=query.by, start=query.start, end=query.end, vendor=query.vendor)
        )
        rows = [render_reconciled(one) for one in found]
        if query.format == "csv":
            return Response(csv_of(COLUMNS, rows), media_type="text/csv")
        return JSONResponse({"by": query.by, "items": rows})

    @routes.post("/bills", openapi_extra=_TAKES)
    async def take_in(request: Request, query: Annotated[Importing, InQuery()]) -> Response:
        """Imports a vendor's bill, a CSV with a header. The same file again answers 200 and changes nothing."""
        demand_unencoded(request)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in CSV_TYPES:
            raise UnsupportedMediaType("Send the bill as Content-Type: text/csv.")
        content = await read_small(request, BYTES_MAX)
        try:
            view = await bills.take_in(query.vendor, query.name, content)
        except BillInvalid as invalid:
            document = {**error_body(invalid), "oneshape": {"errors": list(invalid.errors)}}
            return JSONResponse(document, status_code=invalid.status)
        return JSONResponse(render_bill_view(view), status_code=200 if view.repeated else 201)

    @routes.get("/bills")
    async def index(query: Annotated[BillListing, InQuery()]) -> Response:
        """Bills, newest first."""
        found = await bills.index(vendor=query.vendor, after=query.after, limit=query.limit)
        return JSONResponse(render_page(found, render_bill))

    @routes.get("/bills/{bill_id}")
    async def show(bill_id: EntityId) -> Response:
        """One bill, and how its lines match."""
        return JSONResponse(render_bill_view(await bills.view(bill_id)))

    @routes.get("/bills/{bill_id}/lines")
    async def lines(bill_id: EntityId, query: Annotated[LineListing, InQuery()]) -> Response:
        """Its lines in order, each with the attempt that it is for; `match=unmatched` lists what is not ours."""
        found = await bills.lines(bill_id, match=query.match, after=query.after, limit=query.limit)
        return JSONResponse(render_page(found, render_line))

    @routes.post("/bills/{bill_id}/withdraw")
    async def withdraw(bill_id: EntityId) -> Response:
        """Forgets a bill that should not have been imported; its file can be imported again."""
        return JSONResponse(render_bill_view(await bills.withdraw(bill_id)))

    return routes


_TAKES: Final = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


def render_bill(bill: Bill) -> Document:
    """A bill; `finished_at` is null while its lines are being written, or when that was interrupted."""
    return {
        "id": bill.id,
        "vendor": bill.vendor,
        "name": bill.name,
        "lines": bill.lines,
        "units": bill.units,
        "actor": bill.actor,
        "created_at": seconds(bill.created_at),
        "finished_at": seconds(bill.finished_at),
    }


def render_bill_view(view: BillView) -> Document:
    """A bill with the number and units of its lines by how they match."""
    matches = {
        match: {"lines": lines, "units": view.matches.units[match]} for match, lines in view.matches.lines.items()
    }
    return {**render_bill(view.bill), "repeated": view.repeated, "matches": matches}


def render_line(line: BillLine) -> Document:
    """A line of a bill."""
    return {
        "line": line.line,
        "match": line.match,
        "at": seconds(line.at),
        "model": line.model,
        "reference": line.reference,
        "quantity": line.quantity,
        "units": line.units,
        "expected_units": line.expected_units,
        "attempt_id": line.attempt_id,
    }


def render_reconciled(one: Reconciled) -> Document:
    """A row of the report; the same columns as its CSV."""
    sums = {name: getattr(one.sums, name) for name in (*SUMS, "difference_units", "margin_units")}
    return {"vendor": one.vendor, "model": one.model, "period": one.period, **sums}
