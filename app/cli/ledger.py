"""`oneshape ledger`: every unit that moved, and the proof that the books are right."""

from typing import Annotated

import typer

from app.cli.output import print_json, print_page
from app.cli.running import AsJson, Exit, Limit, run
from app.store import ledger
from app.store.ledger import Kind
from app.store.ledger_verify import verify
from app.web.admin.rendering import render_entry, render_page, render_verification

app = typer.Typer(help="The ledger: every unit that moved.", no_args_is_help=True)

COLUMNS = ("id", "kind", "units", "account_id", "key_id", "charge_id", "reason")


@app.command()
def entries(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    key: Annotated[str | None, typer.Option(help="Only this key's.")] = None,
    charge: Annotated[str | None, typer.Option(help="Only this task's or chat's.")] = None,
    kind: Annotated[Kind | None, typer.Option(help="Only these.")] = None,
    limit: Limit = 20,
    after: Annotated[int | None, typer.Option(min=0, max=2**63 - 1, help="Go on after this entry.")] = None,
    as_json: AsJson = False,
) -> None:
    """List entries, newest first."""
    page = run(
        lambda operator: operator.database.read(
            lambda tx: ledger.entries(
                tx, account_id=account, key_id=key, charge_id=charge, kind=kind, after=after, limit=limit
            )
        )
    )
    print_page(render_page(page, render_entry), COLUMNS, as_json=as_json)


@app.command("verify")
def prove(as_json: AsJson = False) -> None:
    """Recompute every invariant from the entries; exit with 1 when one does not hold."""
    verification = run(lambda operator: operator.database.read(verify))
    if as_json:
        print_json(render_verification(verification))
    else:
        for violation in verification.violations:
            typer.echo(violation)
        typer.echo(
            f"{verification.entries} entries of {verification.accounts} accounts: "
            + ("every rule holds." if verification.ok else f"{len(verification.violations)} violations.")
        )
    raise typer.Exit(Exit.FINE if verification.ok else Exit.PROBLEMS)
