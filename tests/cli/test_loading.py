"""What a process loads before it knows what is asked of it, which it pays for at every start and keeps in memory."""

import subprocess
import sys
from typing import Final

RARE: Final = {"alembic", "sqlalchemy.orm", "asyncpg", "obstore", "redis", "opentelemetry.sdk"}
"""For migrations, for PostgreSQL, for extras: loaded where the settings or the database ask for them."""


def test_what_is_rarely_needed_is_not_loaded_at_every_start() -> None:
    command = [sys.executable, "-c", "import sys, app.cli.main; print(*sys.modules)"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "app.wiring.ground" in loaded
    assert RARE & set(loaded) == set()
