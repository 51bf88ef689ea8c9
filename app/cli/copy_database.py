"""`oneshape copy-database`: the move from one machine's SQLite to PostgreSQL."""

import asyncio
from typing import Annotated

import typer

from app.cli.output import print_json
from app.cli.running import AsJson, Exit, fail, refusing
from app.store.copy import Copied, CopyRefused
from app.store.copy import copy_database as copy

FROM = Annotated[str, typer.Argument(metavar="FROM", help="sqlite+aiosqlite:///PATH; nothing may use it meanwhile.")]
TO = Annotated[
    str,
    typer.Argument(
        metavar="TO", envvar="ONESHAPE_DATABASE_URL", help="postgresql+asyncpg://…, empty. Default: the setting."
    ),
]


def copy_database(source: FROM, target: TO, as_json: AsJson = False) -> None:
    """Copy everything from SQLite to an empty PostgreSQL database, and prove that it arrived.

    Pictures are not in the database: copy or share them too. The new gateway needs the same secret key.
    """
    with refusing():
        try:
            copied = asyncio.run(copy(source, target, told=_tell))
        except CopyRefused as error:
            fail(str(error), code=Exit.PROBLEMS)
    _print(copied, as_json=as_json)


def _tell(table: str, rows: int) -> None:
    typer.echo(f"{table:<20} {rows:>12}", err=True)


def _print(copied: Copied, *, as_json: bool) -> None:
    if as_json:
        print_json({"rows": copied.rows, "entries": copied.entries})
    else:
        typer.echo(
            f"{sum(copied.rows.values())} rows copied and compared; {copied.entries} ledger entries, every rule holds."
        )
