"""`oneshape ledger` and `migrate`, and what commands say where there is no database to speak to."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Oneshape

Told = Callable[..., Any]


def test_a_sound_ledger_ends_with_0_and_a_broken_one_with_1(oneshape: Oneshape, told: Told, tmp_path: Path) -> None:
    account = told("accounts", "create", "Ada")["id"]
    told("accounts", "grant", account, "1000", "--reason", "paid")
    assert told("ledger", "verify") == {"ok": True, "entries": 1, "accounts": 1, "violations": []}
    assert "every rule holds" in oneshape("ledger", "verify").stdout
    with sqlite3.connect(tmp_path / "data" / "oneshape.db") as database:
        database.execute("UPDATE accounts SET balance_units = 7")
    database.close()
    broken = oneshape("ledger", "verify", "--json")
    assert broken.exit_code == 1
    assert account in json.loads(broken.stdout)["violations"][0]
    plain = oneshape("ledger", "verify")
    assert plain.exit_code == 1
    assert account in plain.stdout


def test_migrate_says_from_where_to_where(oneshape: Oneshape, told: Told) -> None:
    first = told("migrate")
    assert first["before"] is None
    assert first["changed"]
    assert told("migrate") == {"before": first["after"], "after": first["after"], "changed": False}
    assert first["after"] in oneshape("migrate").stdout


@pytest.mark.parametrize("command", [("accounts", "list"), ("ledger", "verify"), ("migrate",)])
def test_a_database_that_does_not_answer_is_one_line_and_exit_code_3(
    oneshape: Oneshape, environment: dict[str, str], command: tuple[str, ...]
) -> None:
    environment |= {
        "ONESHAPE_DATABASE_URL": "postgresql+asyncpg://nobody:hunter2secret@127.0.0.1:9/none",
        "ONESHAPE_ADMIN_KEY": "kP2x9VnQ4rT7wZ1mB6cD",
        "ONESHAPE_SECRET_KEY": "L8sF3hJ5gN0yR2tU7vXa",
    }
    result = oneshape(*command)
    assert result.exit_code == 3
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert "hunter2secret" not in line


def test_a_data_directory_that_cannot_be_made_is_exit_code_3(
    oneshape: Oneshape, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a directory")
    environment["ONESHAPE_DATA_DIR"] = str(tmp_path / "file" / "data")
    result = oneshape("migrate")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


def test_settings_that_are_wrong_are_all_named_and_exit_code_2(oneshape: Oneshape, environment: dict[str, str]) -> None:
    environment |= {"ONESHAPE_PORT": "http", "ONESHAPE_ADMIN_KEY": "changeme"}
    result = oneshape("accounts", "list")
    assert result.exit_code == 2
    assert "ONESHAPE_PORT" in result.stderr
    assert "ONESHAPE_ADMIN_KEY" in result.stderr
    assert "changeme" not in result.stderr


@pytest.mark.parametrize("arguments", [("acounts",), ("accounts", "list", "--limit", "0"), ("accounts", "grant")])
def test_a_command_that_does_not_exist_so_is_exit_code_2(oneshape: Oneshape, arguments: tuple[str, ...]) -> None:
    assert oneshape(*arguments).exit_code == 2
