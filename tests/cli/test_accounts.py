"""`oneshape accounts` and `keys`: the admin API's use cases on the same database, as documents and tables."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.core.clock import Clock
from app.gateway.caller import Callers, KeyHasher
from app.store.database import Database
from tests.cli.conftest import Oneshape

Told = Callable[..., Any]


def test_an_account_made_on_the_command_line_is_there_for_the_next_command(told: Told) -> None:
    created = told("accounts", "create", "Ada", "--billing", "unlimited")
    assert created.pop("webhook_secret").startswith("whsec_")
    assert (created["name"], created["billing"]) == ("Ada", "unlimited")
    assert told("accounts", "show", created["id"]) == created
    assert told("accounts", "list")["items"] == [created]


def test_units_are_granted_and_adjusted_down(told: Told) -> None:
    account = told("accounts", "create", "Ada")["id"]
    assert told("accounts", "grant", account, "1000", "--reason", "paid")["units"] == 1000
    assert told("accounts", "adjust", account, "-400", "--reason", "mistake")["units"] == -400
    assert told("accounts", "show", account)["available_units"] == 600
    assert [entry["units"] for entry in told("ledger", "entries", "--account", account)["items"]] == [-400, 1000]


def test_a_patch_changes_what_is_given(told: Told) -> None:
    account = told("accounts", "create", "Ada", "--webhook-url", "https://hooks.example/")
    account.pop("webhook_secret")
    disabled = told("accounts", "patch", account["id"], "--disable")
    assert disabled == {**account, "disabled": True}
    changed = told("accounts", "patch", account["id"], "--enable", "--name", "Bea", "--webhook-url", "")
    assert changed == {**account, "name": "Bea", "webhook_url": None}


def test_a_rotated_webhook_secret_is_another_one(told: Told) -> None:
    account = told("accounts", "create", "Ada")
    assert told("accounts", "rotate-webhook-secret", account["id"])["webhook_secret"] != account["webhook_secret"]


def test_a_key_is_made_with_its_rights_and_revoked(told: Told) -> None:
    account = told("accounts", "create", "Ada")["id"]
    rights = ("--model", "a", "--model", "b", "--budget", "500", "--period", "day", "--concurrency", "3")
    key = told("keys", "create", account, "app", *rights, "--image-style", "url")
    assert key["key"].startswith("sk-")
    expected = {
        "models": ["a", "b"],
        "budget": {"units": 500, "period": "day"},
        "concurrency": 3,
        "requests_per_minute": None,
        "chat_image_style": "url",
    }
    assert expected.items() <= told("keys", "show", key["id"]).items()
    assert told("keys", "revoke", key["id"])["revoked_at"] is not None
    listed = told("keys", "list", "--account", account)["items"]
    assert [(item["id"], item["revoked_at"] is not None) for item in listed] == [(key["id"], True)]
    assert "key" not in listed[0]


def test_people_get_tables_and_are_told_how_to_go_on(oneshape: Oneshape, told: Told) -> None:
    for name in ("Ada", "Bea"):
        told("accounts", "create", name)
    page = oneshape("accounts", "list", "--limit", "1")
    assert "balance_units" in page.stdout
    cursor = page.stdout.split("--after ")[1].strip()
    rest = oneshape("accounts", "list", "--after", cursor).stdout
    assert "Ada" in rest
    assert "Bea" not in rest


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("accounts", "show", "acc_nobody"), "acc_nobody"),
        (("accounts", "grant", "acc_nobody", "5", "--reason", "r"), "acc_nobody"),
        (("accounts", "grant", "acc_nobody", "0", "--reason", "r"), "'units'"),
        (("accounts", "create", " "), "'name'"),
        (("accounts", "create", "Ada", "--webhook-url", "hooks"), "'webhook_url'"),
        (("accounts", "patch", "acc_nobody"), "at least one field"),
        (("accounts", "list", "--after", "acc_nobody"), "'after'"),
        (("keys", "show", "key_nobody"), "key_nobody"),
        (("keys", "create", "acc_nobody", "app"), "acc_nobody"),
        (("keys", "create", "acc_nobody", "app", "--budget", "5"), "--period"),
        (("keys", "create", "acc_nobody", "app", "--budget", "-5", "--period", "day"), "'units'"),
    ],
)
def test_a_mistake_is_one_line_on_stderr_and_exit_code_2(
    oneshape: Oneshape, arguments: tuple[str, ...], named: str
) -> None:
    oneshape("accounts", "list")  # Here the generated admin key is told.
    result = oneshape(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert named in line


def test_a_generated_admin_key_is_told_once_and_never_on_stdout(oneshape: Oneshape, tmp_path: Path) -> None:
    first, second = oneshape("accounts", "list", "--json"), oneshape("accounts", "list", "--json")
    assert "adm-" in first.stderr
    assert "adm-" not in first.stdout
    assert second.stderr == ""


def test_a_key_made_on_the_command_line_opens_the_gateway_of_that_directory(told: Told, tmp_path: Path) -> None:
    key = told("keys", "create", told("accounts", "create", "Ada")["id"], "app")
    assert asyncio.run(_opens(tmp_path / "data", key["key"])) == key["id"]


async def _opens(directory: Path, secret: str) -> str:
    secret_key = json.loads((directory / "secrets.json").read_text())["secret_key"]
    database = await Database.open(f"sqlite+aiosqlite:///{directory}/oneshape.db")
    try:
        return (await Callers(database, KeyHasher(secret_key), clock=Clock()).authenticate(secret)).key.id
    finally:
        await database.close()


def test_people_read_dates_and_scripts_read_seconds(oneshape: Oneshape, told: Told) -> None:
    account = told("accounts", "create", "Ada")
    date = datetime.fromtimestamp(account["created_at"], UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    assert f"created_at       {date}\n" in oneshape("accounts", "show", account["id"]).stdout
