"""`python -m app.cli`: the command line without its script; `serve --workers` starts its processes so."""

from app.cli.main import app

app(prog_name="oneshape")
