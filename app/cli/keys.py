"""`oneshape keys`: the credentials of accounts."""

from typing import Annotated, Any, Literal

import typer

from app.cli.output import print_fields, print_page
from app.cli.running import After, AsJson, Exit, Limit, fail, run
from app.gateway.account_forms import Budget, KeyForm
from app.store.keys import BudgetPeriod
from app.web.admin.rendering import render_key, render_new_key, render_page

app = typer.Typer(help="Keys: the credentials of accounts.", no_args_is_help=True)

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key's id, key_….")]

COLUMNS = ("id", "account_id", "name", "hint", "budget", "expires_at", "revoked_at")


@app.command()
def create(
    account_id: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Who pays: the account's id, acc_….")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    model: Annotated[list[str] | None, typer.Option(help="A model it may use; say it again for more.")] = None,
    budget: Annotated[int | None, typer.Option(help="Units it may spend; needs --period.")] = None,
    period: Annotated[BudgetPeriod | None, typer.Option(help="What the budget is for.")] = None,
    requests_per_minute: Annotated[int | None, typer.Option(help="Requests in any minute.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at once.")] = None,
    expires_at: Annotated[int | None, typer.Option(help="When it ends, in unix seconds.")] = None,
    image_style: Annotated[
        Literal["markdown", "data", "url"], typer.Option(help="How pictures stand in chat answers.")
    ] = "markdown",
    as_json: AsJson = False,
) -> None:
    """Make a key. Its secret is shown this once."""
    rights: dict[str, Any] = {
        "models": model or None,
        "requests_per_minute": requests_per_minute,
        "concurrency": concurrency,
        "expires_at": expires_at,
        "chat_image_style": image_style,
    }
    if (budget is None) != (period is None):
        fail("--budget and --period go together.", code=Exit.USAGE)

    def form() -> KeyForm:
        limit = None if budget is None or period is None else Budget(units=budget, period=period)
        return KeyForm(account_id=account_id, name=name, budget=limit, **rights)

    print_fields(render_new_key(run(lambda operator: operator.accounts.create_key(form()))), as_json=as_json)


@app.command("list")
def index(
    account: Annotated[str | None, typer.Option(help="Only this account's.")] = None,
    limit: Limit = 20,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List keys, newest first, revoked ones included."""
    page = run(lambda operator: operator.accounts.keys_page(account_id=account, after=after, limit=limit))
    print_page(render_page(page, render_key), COLUMNS, as_json=as_json)


@app.command()
def show(key_id: KeyId, as_json: AsJson = False) -> None:
    """Show one key, with what it has used of its budget."""
    print_fields(render_key(run(lambda operator: operator.accounts.get_key(key_id))), as_json=as_json)


@app.command()
def revoke(key_id: KeyId, as_json: AsJson = False) -> None:
    """End a key for good."""
    print_fields(render_key(run(lambda operator: operator.accounts.revoke_key(key_id))), as_json=as_json)
