"""The command line: typer commands, one small file per group."""
