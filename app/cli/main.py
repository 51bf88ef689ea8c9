"""The command line, `oneshape`: one small file per group of commands; no command is written here."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Annotated, Final

import typer

from app.cli import (
    accounts,
    backup,
    bill,
    catalog,
    copy_database,
    demo,
    keys,
    ledger,
    migrate,
    probe,
    prune,
    serve,
    worker,
)

EXIT_CODES: Final = (
    "Exit codes: 0 done; 1 it ran and found problems; 2 wrong arguments, settings or names; 3 something it needs "
    "cannot be reached. Errors are lines on stderr; with --json, stdout is one JSON document."
)
SERVE, MANAGE, KEEP = "Serve", "Manage what is served", "Look after the database"

app = typer.Typer(
    help="One API in front of many image and chat vendors.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        try:
            typer.echo(installed("oneshape"))
        except PackageNotFoundError:
            typer.echo("unknown: this checkout is not installed")
        raise typer.Exit


@app.callback()
def oneshape(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version.")
    ] = False,
) -> None:
    """One API in front of many image and chat vendors."""


_serving: tuple[Callable[..., None], ...] = (serve.serve, worker.worker, demo.demo, serve.sandbox)
_keeping: tuple[Callable[..., None], ...] = (migrate.migrate, backup.backup, copy_database.copy_database, prune.prune)
for command in _serving:
    app.command(rich_help_panel=SERVE)(command)
app.add_typer(accounts.app, name="accounts", rich_help_panel=MANAGE)
app.add_typer(keys.app, name="keys", rich_help_panel=MANAGE)
app.add_typer(catalog.app, name="catalog", rich_help_panel=MANAGE)
app.command(rich_help_panel=MANAGE)(probe.probe)
app.add_typer(ledger.app, name="ledger", rich_help_panel=MANAGE)
app.add_typer(bill.app, name="bill", rich_help_panel=MANAGE)
app.command(rich_help_panel=MANAGE)(bill.reconcile)
for command in _keeping:
    app.command(rich_help_panel=KEEP)(command)
