"""`oneshape probe`: what a vendor really answers, asked once for something cheap, compared with the catalog."""

from typing import Annotated

import typer

from app.cli.output import print_json
from app.cli.running import AsJson, Exit, run_beside
from app.gateway.probe import Finding
from app.gateway.services import Services
from app.web.admin.vendors import render_finding


def probe(vendor: Annotated[str, typer.Argument(metavar="VENDOR")], as_json: AsJson = False) -> None:
    """Ask a vendor for one picture and one short text, which costs money; exit with 1 when it does not deliver."""

    def tell(line: str) -> None:
        typer.echo(line, err=True)

    async def ask(services: Services) -> tuple[Finding, ...]:
        return await services.operations.vendors.probe(vendor, tell=tell)

    findings = run_beside(ask)
    if as_json:
        print_json({"vendor": vendor, "findings": [render_finding(one) for one in findings]})
    else:
        for finding in findings:
            _print(finding)
    raise typer.Exit(Exit.PROBLEMS if any(one.failure for one in findings) else Exit.FINE)


def _print(finding: Finding) -> None:
    said = f"status {finding.status}, {finding.form}" if finding.form else "no answer"
    how = "delivered" if finding.failure is None else f"failed: {finding.failure}"
    typer.echo(f"{finding.model} as {finding.vendor_model}: {how} in {finding.seconds:.1f} s ({said})")
    if finding.detail:
        typer.echo(f"  said: {finding.detail}")
    for place in finding.places:
        typer.echo(f"  picture at {place}")
    for size in finding.sizes:
        typer.echo(f"  drawn {size}, asked for {finding.asked.aspect_ratio or 'any ratio'}")
    for suggestion in finding.suggestions:
        typer.echo(f"  catalog: {suggestion}")
