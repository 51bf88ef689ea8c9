"""`oneshape accounts`: who pays, and what they have."""

from typing import Annotated

import typer

from app.cli.output import print_fields, print_page
from app.cli.running import After, AsJson, Limit, run
from app.gateway.account_forms import AccountForm, AccountPatch, AdjustmentForm, GrantForm
from app.store.accounts import Billing
from app.web.admin.rendering import render_account, render_account_once, render_entry, render_page

app = typer.Typer(help="Accounts: who pays, and what they have.", no_args_is_help=True)

AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account's id, acc_….")]
Units = Annotated[int, typer.Argument(metavar="UNITS", help="Millionths of the billing currency.")]
Reason = Annotated[str, typer.Option(help="Why; it stands in the ledger.")]

COLUMNS = ("id", "name", "billing", "balance_units", "held_units", "available_units", "disabled")


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    billing: Annotated[Billing, typer.Option(help="Whether it can spend only what it was granted.")] = "prepaid",
    webhook_url: Annotated[str | None, typer.Option(help="Where events of its tasks are sent.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make an account. Its webhook secret is shown this once."""
    account = run(
        lambda operator: operator.accounts.create(AccountForm(name=name, billing=billing, webhook_url=webhook_url))
    )
    print_fields(render_account_once(account), as_json=as_json)


@app.command("list")
def index(limit: Limit = 20, after: After = None, as_json: AsJson = False) -> None:
    """List accounts, newest first."""
    page = run(lambda operator: operator.accounts.page(after=after, limit=limit))
    print_page(render_page(page, render_account), COLUMNS, as_json=as_json)


@app.command()
def show(account_id: AccountId, as_json: AsJson = False) -> None:
    """Show one account."""
    print_fields(render_account(run(lambda operator: operator.accounts.get(account_id))), as_json=as_json)


@app.command()
def patch(
    account_id: AccountId,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    billing: Annotated[Billing | None, typer.Option(help="Whether it can spend only what it was granted.")] = None,
    webhook_url: Annotated[
        str | None, typer.Option(help="Where events of its tasks are sent; an empty text takes it away.")
    ] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Refuse all its keys, or take them again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change what is given of an account."""
    given = {"name": name, "billing": billing, "webhook_url": webhook_url, "disabled": disabled}
    changes = {field: value if value != "" else None for field, value in given.items() if value is not None}
    account = run(lambda operator: operator.accounts.patch(account_id, AccountPatch.model_validate(changes)))
    print_fields(render_account(account), as_json=as_json)


@app.command("rotate-webhook-secret")
def rotate(account_id: AccountId, as_json: AsJson = False) -> None:
    """Make a new webhook secret, shown this once; the old one signs beside it for a day."""
    account = run(lambda operator: operator.accounts.rotate_webhook_secret(account_id))
    print_fields(render_account_once(account), as_json=as_json)


@app.command()
def grant(account_id: AccountId, units: Units, reason: Reason, as_json: AsJson = False) -> None:
    """Add units to an account."""
    entry = run(lambda operator: operator.accounts.grant(account_id, GrantForm(units=units, reason=reason)))
    print_fields(render_entry(entry), as_json=as_json)


@app.command(context_settings={"ignore_unknown_options": True})
def adjust(account_id: AccountId, units: Units, reason: Reason, as_json: AsJson = False) -> None:
    """Correct an account's balance by UNITS, which may be negative."""
    entry = run(lambda operator: operator.accounts.adjust(account_id, AdjustmentForm(units=units, reason=reason)))
    print_fields(render_entry(entry), as_json=as_json)
