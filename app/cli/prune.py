"""`oneshape prune`: removes old tasks, chats and audit records, never entries of the ledger."""

from dataclasses import asdict
from typing import Annotated, Final

import typer

from app.cli.output import print_fields
from app.cli.running import AsJson, run
from app.core.clock import Clock
from app.store.retention import Before, Pruned, prunable
from app.store.retention import prune as prune_batch
from app.wiring import Operator

BATCH: Final = 500
DAY_S: Final = 86_400.0


def prune(
    older_than: Annotated[int, typer.Option("--older-than", min=30, help="Days that are kept.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count only.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove tasks, chats and audit records older than so many days. The ledger stays whole.

    Gateways may run meanwhile: it works in small transactions, and may be stopped and started again at any time.
    Reports of usage reach back as far as what is kept.
    """
    at = Clock().now() - older_than * DAY_S
    before = Before(tasks=at, chats=at, audit=at)

    async def work(operator: Operator) -> Pruned:
        if dry_run:
            return await operator.database.read(lambda tx: prunable(tx, before=before))
        done = Pruned()
        while batch := await operator.database.write(lambda tx: prune_batch(tx, before=before, limit=BATCH)):
            done += batch
            if not as_json:
                typer.echo(f"{done.tasks} tasks, {done.chats} chats, {done.audit} audit records removed", err=True)
        return done

    print_fields(asdict(run(work)), as_json=as_json)
