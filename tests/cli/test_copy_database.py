"""`oneshape copy-database`: what an operator sees of the move to PostgreSQL."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.conftest import Oneshape
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    postgresql_copy,
    postgresql_template,
)


def test_after_the_move_the_same_commands_tell_the_same(
    oneshape: Oneshape,
    told: Callable[..., Any],
    environment: dict[str, str],
    tmp_path: Path,
    postgresql_copy: str,  # noqa: F811 - the fixture
) -> None:
    account = told("accounts", "create", "Ada")["id"]
    told("accounts", "grant", account, "1000", "--reason", "paid")
    before = told("accounts", "list")
    source = f"sqlite+aiosqlite:///{tmp_path}/data/oneshape.db"
    copied = oneshape("copy-database", source, postgresql_copy)
    assert copied.exit_code == 0
    assert "1 ledger entries, every rule holds" in copied.stdout
    environment |= {
        "ONESHAPE_DATABASE_URL": postgresql_copy,
        "ONESHAPE_ADMIN_KEY": "adm-5uP9qX2vL8mK4wT7",
        "ONESHAPE_SECRET_KEY": "5c0f6e1d9b7a48e2a3f4c5d6e7f8091a",
    }
    assert told("accounts", "list") == before
    again = oneshape("copy-database", source)
    assert again.exit_code == 1
    assert "not empty" in again.stderr


def test_what_cannot_be_copied_is_one_line_and_exit_code_1(oneshape: Oneshape, tmp_path: Path) -> None:
    result = oneshape("copy-database", f"sqlite+aiosqlite:///{tmp_path}/none.db", "postgresql+asyncpg://h/x")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "There is no file" in result.stderr
