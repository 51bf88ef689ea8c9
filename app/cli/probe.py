"""`oneshape probe`: what vendors really answer, asked once for something cheap, compared with the catalog."""

from typing import Annotated, Any, Final

import typer

from app.cli.output import print_json, print_table
from app.cli.running import AsJson, Exit, run_beside
from app.gateway.probe import Finding, document_of
from app.gateway.services import Services

COLUMNS: Final = ("vendor", "vendor_model", "model", "outcome", "seconds", "shape", "sizes", "suggestions")


def probe(
    vendor: Annotated[
        str | None, typer.Argument(metavar="VENDOR", help="All that have a credential by default.")
    ] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model, by its vendor's name or ours.")] = None,
    cheapest: Annotated[bool, typer.Option("--cheapest", help="Only the cheapest model of each kind.")] = False,
    as_json: AsJson = False,
) -> None:
    """Ask a vendor once per model, which costs money; exit with 1 when one does not deliver."""

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    async def ask(services: Services) -> dict[str, tuple[Finding, ...]]:
        vendors = services.operations.vendors
        configured = [one.name for one in services.catalog().vendors.values() if one.configured]
        return {
            name: await vendors.probe(name, scope="cheapest" if cheapest else "all", only=model or (), tell=tell)
            for name in ([vendor] if vendor is not None else configured)
        }

    found = run_beside(ask)
    if as_json:
        told = [{"vendor": name, "findings": [document_of(one) for one in some]} for name, some in found.items()]
        print_json(told[0] if vendor is not None else told)
    else:
        print_table([_row(name, one) for name, some in found.items() for one in some], COLUMNS)
        for name, some in found.items():
            for one in some:
                _print_rest(name, one)
    failed = any(one.failure for some in found.values() for one in some)
    raise typer.Exit(Exit.PROBLEMS if failed else Exit.FINE)


def _row(vendor: str, finding: Finding) -> dict[str, Any]:
    places = "; ".join(finding.places)
    return {
        "vendor": vendor,
        "vendor_model": finding.vendor_model,
        "model": finding.model,
        "outcome": "delivered" if finding.failure is None else finding.failure.value,
        "seconds": f"{finding.seconds:.1f}",
        "shape": f"{finding.form}: {places}" if places else finding.form,
        "sizes": ", ".join(map(str, finding.sizes)),
        "suggestions": len(finding.suggestions),
    }


def _print_rest(vendor: str, finding: Finding) -> None:
    """What did not fit into the table."""
    if finding.detail:
        typer.echo(f"{vendor} {finding.vendor_model} said: {finding.detail}")
    for suggestion in finding.suggestions:
        typer.echo(f"{vendor} {finding.vendor_model}, catalog: {suggestion}")
