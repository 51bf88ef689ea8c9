"""`oneshape catalog`: vendors, models and prices as one document, checked as a file, applied to the database."""

from pathlib import Path
from typing import Annotated, Final

import typer

from app.cli.explain import explain
from app.cli.output import print_json, print_page
from app.cli.running import After, AsJson, Exit, Limit, fail, refusing, run
from app.gateway.catalog.build import LoadedCatalog, load
from app.gateway.catalog.desk import Proposal
from app.gateway.catalog.findings import CatalogInvalid, Finding
from app.gateway.catalog.yaml import MAX_BYTES, Format
from app.settings import Settings, ensure_secrets, environment, read_settings
from app.store.prices import list_page
from app.web.admin.catalog import render_finding, render_proposal
from app.web.admin.models import render_priced
from app.web.admin.rendering import render_page

app = typer.Typer(help="The catalog: vendors, models and prices as one document.", no_args_is_help=True)
app.command()(explain)

CatalogFile = Annotated[Path, typer.Argument(metavar="FILE", help="YAML, or JSON when it is called so.")]
SHOWN_CHARS: Final = 100
PRICES: Final = ("model", "since", "revision", "price", "costs")


@app.command()
def validate(file: CatalogFile, as_json: AsJson = False) -> None:
    """Check a file, without a database; exit with 1 when it is not valid."""
    text, format_ = _read(file)
    with refusing():
        secret_key = _known_secret_key(read_settings())
        try:
            loaded = load(text, format=format_, env=environment(), secret_key=secret_key, revision=0)
        except CatalogInvalid as invalid:
            if not as_json:
                raise
            print_json({"valid": False, "errors": [render_finding(error) for error in invalid.errors], "warnings": []})
            raise typer.Exit(Exit.PROBLEMS) from invalid
    _print_valid(loaded, as_json=as_json)


@app.command()
def show(as_json: AsJson = False) -> None:
    """Print the newest revision as YAML, or as JSON."""
    shown = run(lambda operator: operator.catalog.show())
    if as_json:
        print_json(shown.document)
    else:
        typer.echo(shown.text, nl=not shown.text.endswith("\n"))


@app.command("diff")
def compare(file: CatalogFile, as_json: AsJson = False) -> None:
    """Show what a file would change; nothing is changed."""
    text, format_ = _read(file)
    _print_proposal(run(lambda operator: operator.catalog.propose(text, format_)), as_json=as_json)


@app.command()
def apply(
    file: CatalogFile,
    comment: Annotated[str | None, typer.Option(help="Why; it is kept with the revision.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put a file in force: every replica has it within five seconds."""
    text, format_ = _read(file)
    proposal = run(lambda operator: operator.catalog.put(text, format_, comment=comment))
    _print_proposal(proposal, as_json=as_json)
    if not as_json:
        typer.echo(f"Revision {proposal.number} is in force.")


@app.command()
def prices(
    model: Annotated[str | None, typer.Argument(metavar="MODEL", help="All by default.")] = None,
    limit: Limit = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List what models were charged and cost, the newest first."""
    page = run(lambda operator: operator.database.read(lambda tx: list_page(tx, model=model, after=after, limit=limit)))
    print_page(render_page(page, render_priced), PRICES, as_json=as_json)


def _read(file: Path) -> tuple[bytes, Format]:
    """The file's bytes, one more than a catalog may have at most; without a file the command ends."""
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES + 1), "json" if file.suffix == ".json" else "yaml"
    except OSError as error:
        fail(f"{file}: {error.strerror}", code=Exit.USAGE)


def _known_secret_key(settings: Settings) -> bytes:
    """What sealed keys are opened with, where there is one: checking a file makes no secrets."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value().encode()
    if (settings.data_dir / "secrets.json").exists():
        return ensure_secrets(settings).secret_key.encode()
    return b""


def _print_valid(loaded: LoadedCatalog, *, as_json: bool) -> None:
    catalog = loaded.catalog
    if as_json:
        warnings = [render_finding(warning) for warning in loaded.warnings]
        print_json({"valid": True, "errors": [], "warnings": warnings})
        return
    _tell_warnings(loaded.warnings)
    typer.echo(f"Valid: {len(catalog.models)} models at {len(catalog.vendors)} vendors.")


def _print_proposal(proposal: Proposal, *, as_json: bool) -> None:
    if as_json:
        print_json(render_proposal(proposal))
        return
    _tell_warnings(proposal.warnings)
    for change in proposal.changes:
        typer.echo(f"{change.path}: {_shown(change.before)} → {_shown(change.after)}")
    if not proposal.changes:
        typer.echo("Nothing differs.")


def _tell_warnings(warnings: tuple[Finding, ...]) -> None:
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    return text if len(text) <= SHOWN_CHARS else text[:SHOWN_CHARS] + "…"
