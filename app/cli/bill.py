"""`oneshape bill` and `oneshape reconcile`: what vendors bill, beside what we expected and charged."""

from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.output import print_fields, print_json, print_page, print_table
from app.cli.running import After, AsJson, Exit, Limit, fail, run
from app.gateway.bill_reading import BYTES_MAX
from app.store.bills import Match
from app.store.reconciliation import Period
from app.store.reconciliation import reconcile as report_of
from app.web.admin.bills import (
    COLUMNS,
    render_bill,
    render_bill_view,
    render_line,
    render_reconciled,
)
from app.web.admin.rendering import Document, render_page
from app.web.admin.tabular import csv_of
from app.web.admin.usage import moment_of

app = typer.Typer(help="Vendors' bills: import them, and see what does not match.", no_args_is_help=True)

BillId = Annotated[str, typer.Argument(metavar="BILL", help="The bill's id, of `bill list`.")]
BILLS: Final = ("id", "vendor", "name", "lines", "units", "created_at", "finished_at")
LINES: Final = ("line", "match", "model", "reference", "units", "expected_units", "attempt_id")
SHOWN: Final = tuple(name for name in COLUMNS if name not in ("unmatched_units", "unbilled", "images"))
GOOD: Final = frozenset({"matched", "total"})


@app.command("import")
def take_in(
    vendor: Annotated[str, typer.Argument(metavar="VENDOR", help="Its name in the catalog.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV with a header; see docs/operations.md.")],
    as_json: AsJson = False,
) -> None:
    """Import a vendor's bill; the same file again changes nothing. Exit with 1 when lines do not match."""
    try:
        with file.open("rb") as opened:
            content = opened.read(BYTES_MAX + 1)
    except OSError as error:
        fail(f"{file}: {error.strerror}", code=Exit.USAGE)
    document = render_bill_view(run(lambda operator: operator.bills.take_in(vendor, file.name, content)))
    _print_view(document, as_json=as_json)
    raise typer.Exit(Exit.FINE if GOOD.issuperset(document["matches"]) else Exit.PROBLEMS)


@app.command("list")
def index(
    vendor: Annotated[str | None, typer.Option(help="Only this vendor's.")] = None,
    limit: Limit = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List bills, newest first."""
    page = run(lambda operator: operator.bills.index(vendor=vendor, after=after, limit=limit))
    print_page(render_page(page, render_bill), BILLS, as_json=as_json)


@app.command()
def show(bill: BillId, as_json: AsJson = False) -> None:
    """Show a bill, and how its lines match."""
    _print_view(render_bill_view(run(lambda operator: operator.bills.view(bill))), as_json=as_json)


@app.command()
def lines(
    bill: BillId,
    match: Annotated[Match | None, typer.Option(help="Only lines of this kind.")] = None,
    limit: Limit = 100,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the lines of a bill."""
    page = run(lambda operator: operator.bills.lines(bill, match=match, after=after, limit=limit))
    print_page(render_page(page, render_line), LINES, as_json=as_json)


@app.command()
def withdraw(bill: BillId, as_json: AsJson = False) -> None:
    """Forget a bill that should not have been imported."""
    _print_view(render_bill_view(run(lambda operator: operator.bills.withdraw(bill))), as_json=as_json)


def reconcile(
    vendor: Annotated[str | None, typer.Option(help="Only this vendor.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="From this day, or unix seconds.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Until before this day, or unix seconds.")] = None,
    by: Annotated[Period, typer.Option(help="The period.")] = "month",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what was charged and expected at each vendor, beside what it has billed. Money is units."""
    first, last = _moment(start), _moment(end)
    found = run(
        lambda operator: operator.database.read(lambda tx: report_of(tx, by=by, start=first, end=last, vendor=vendor))
    )
    rows = [render_reconciled(one) for one in found]
    if as_json:
        print_json({"by": by, "items": rows})
    elif as_csv:
        typer.echo(csv_of(COLUMNS, rows), nl=False)
    else:
        print_table(rows, SHOWN)


def _moment(said: str | None) -> float | None:
    try:
        return None if said is None else moment_of(said)
    except ValueError as error:
        fail(f"{said}: {error}", code=Exit.USAGE)


def _print_view(document: Document, *, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    matches = document.pop("matches")
    print_fields(document, as_json=False)
    for match, sums in matches.items():
        typer.echo(f"{match}: {sums['lines']} lines, {sums['units']} units")
