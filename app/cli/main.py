"""The command line, `oneshape`: one small file per group of commands; no command is written here."""

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

app = typer.Typer(
    help="One API in front of many image and chat vendors.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.add_typer(ledger.app, name="ledger")
app.add_typer(catalog.app, name="catalog")
app.add_typer(bill.app, name="bill")
app.command()(bill.reconcile)
app.command()(migrate.migrate)
app.command()(copy_database.copy_database)
app.command()(prune.prune)
app.command()(backup.backup)
app.command()(probe.probe)
app.command()(serve.serve)
app.command()(worker.worker)
app.command()(serve.sandbox)
app.command()(demo.demo)
