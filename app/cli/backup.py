"""`oneshape backup`: a copy of the SQLite database, made while a gateway may be running."""

from app.cli.output import print_fields
from app.cli.running import AsJson, run
from app.web.admin.backup import render_backup


def backup(as_json: AsJson = False) -> None:
    """Copy the SQLite database to DATA_DIR/backups. Pictures are not in it."""
    print_fields(render_backup(run(lambda operator: operator.backups.make())), as_json=as_json)
