"""Prints documents: as JSON for scripts, as tables for people."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

Document = Mapping[str, Any]
_TIME: Final = "_at"
"""How the names of times end. They are unix seconds; people read dates, in UTC."""


def print_json(document: object) -> None:
    """One JSON document, and nothing else, on stdout."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_page(page: Document, columns: Sequence[str], *, as_json: bool) -> None:
    """Part of a list, one row per item, and how to go on."""
    if as_json:
        print_json(page)
        return
    print_table(page["items"], columns)
    if page["has_more"]:
        typer.echo(f"There are more: --after {page['next_cursor']}")


def print_table(rows: Sequence[Document], columns: Sequence[str]) -> None:
    """A table; numbers to the right, nothing is cut off where it is piped."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        numeric = not column.endswith(_TIME) and any(_is_number(row[column]) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column], column) for column in columns))
    _console().print(table)


def print_fields(document: Document, *, as_json: bool) -> None:
    """One thing, a line per field."""
    if as_json:
        print_json(document)
        return
    width = max(map(len, document))
    for name, value in document.items():
        typer.echo(f"{name:<{width}}  {_cell(value, name)}")


def _console() -> Console:
    """Stdout as it is now. Where it is no terminal, lines are as long as they need to be."""
    console = Console(highlight=False, markup=False)
    return console if console.is_terminal else Console(highlight=False, markup=False, width=10_000)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _cell(value: object, name: str) -> str:
    match value:
        case int() if name.endswith(_TIME) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}".replace(",", " ") if abs(value) >= 10_000 else str(value)
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
