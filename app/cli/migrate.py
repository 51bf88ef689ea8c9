"""`oneshape migrate`: brings the database to the schema of this version."""

import asyncio

import typer

from app.cli.output import print_json
from app.cli.running import AsJson, refusing
from app.settings import Settings, read_settings
from app.store import migrate as schema


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema; `serve` does so by itself."""
    with refusing():
        before, after = asyncio.run(_upgrade(read_settings()))
    if as_json:
        print_json({"before": before, "after": after, "changed": before != after})
    elif before == after:
        typer.echo(f"The schema is at {after} already.")
    else:
        typer.echo(f"The schema went from {before or 'nothing'} to {after}.")


async def _upgrade(settings: Settings) -> tuple[str | None, str | None]:
    if not settings.postgres:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    before = await schema.current(settings.database_url)
    await schema.upgrade(settings.database_url)
    return before, await schema.current(settings.database_url)
