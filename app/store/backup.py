"""A copy of a SQLite database in use: one consistent moment, checked, under its name only when it is whole."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection


def copy_to(tx: Connection, path: Path) -> int:
    """Copies the database that `tx` reads to a new file; its size in bytes. Writers go on meanwhile.

    Raises: OSError; sqlite3.Error: the copy could not be written, or is not sound.
    """
    source = tx.connection.driver_connection
    assert isinstance(source, sqlite3.Connection), "only SQLite is a file"
    partial = path.with_suffix(".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
            (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(f"the copy is not sound: {verdict}")
        _sync(partial)
        partial.replace(path)
        _sync(path.parent)
    finally:
        partial.unlink(missing_ok=True)
    return path.stat().st_size


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
