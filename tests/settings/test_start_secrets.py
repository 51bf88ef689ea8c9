"""No installation starts with a secret that can be guessed (A11); a single machine makes its own."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.settings import Settings, SettingsInvalid, ensure_secrets, read_settings, weakness
from tests.settings.test_settings import NO_FILE, STRONG, problems

POSTGRES = "postgresql+asyncpg://user@host/oneshape"


def machine(data_dir: Path, **overrides: object) -> Settings:
    return read_settings(env_file=NO_FILE, data_dir=data_dir, **overrides)


# A11 names the defaults that were found in the field.
@pytest.mark.parametrize(
    "secret",
    [
        "",
        "sk-1234",
        "changeme",
        "secret",
        "password",
        "admin",
        "fifteen-chars-x",
        "a" * 64,
        "abab" * 8,
        "changeme-changeme-changeme",
        "SuperSecretPassword",
        "sk-1234567890abcdef",
        "sixteen chars ok",
        "zq7-4ht9_w2lx8v\n",
        "зъ7-4ht9_w2lx8vb",
    ],
)
@pytest.mark.parametrize("name", ["admin_key", "secret_key"])
def test_an_empty_short_or_known_secret_is_refused(name: str, secret: str) -> None:
    told = problems(**{name: secret})
    assert len(told) == 1
    assert told[0].startswith(f"ONESHAPE_{name.upper()}: ")


def test_an_empty_secret_in_the_env_file_is_refused_and_not_taken_for_unset(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ONESHAPE_ADMIN_KEY=\n")
    with pytest.raises(SettingsInvalid, match="ONESHAPE_ADMIN_KEY: is empty"):
        read_settings(env_file=file)


@pytest.mark.parametrize("secret", [STRONG, "0123456789abcdef0123456789abcdef", "adm-3q2-7wXk_0aVb9Zt"])
def test_a_random_secret_of_sixteen_characters_is_enough(secret: str) -> None:
    assert weakness(secret) is None


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "ONESHAPE_ADMIN_KEY and ONESHAPE_SECRET_KEY"),
        ({"admin_key": STRONG}, "ONESHAPE_SECRET_KEY"),
        ({"secret_key": STRONG}, "ONESHAPE_ADMIN_KEY"),
    ],
)
def test_with_postgresql_both_secrets_must_be_set(given: dict[str, str], missing: str) -> None:
    assert problems(database_url=POSTGRES, **given) == [f"with PostgreSQL {missing} must be set"]


def test_secrets_that_are_set_are_used_and_nothing_is_written(tmp_path: Path) -> None:
    secrets = ensure_secrets(
        machine(tmp_path / "data", admin_key=STRONG, secret_key=STRONG[::-1], database_url=POSTGRES)
    )
    assert (secrets.admin_key, secrets.secret_key, secrets.generated) == (STRONG, STRONG[::-1], False)
    assert not (tmp_path / "data").exists()


def test_the_first_start_makes_secrets_that_nobody_else_may_read(tmp_path: Path) -> None:
    secrets = ensure_secrets(machine(tmp_path / "data"))
    file = tmp_path / "data" / "secrets.json"
    assert secrets.generated
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert weakness(secrets.admin_key) is None
    assert weakness(secrets.secret_key) is None
    assert [path.name for path in file.parent.iterdir()] == ["secrets.json"]


def test_the_next_start_finds_the_same_secrets(tmp_path: Path) -> None:
    first, second = ensure_secrets(machine(tmp_path)), ensure_secrets(machine(tmp_path))
    assert (second.admin_key, second.secret_key) == (first.admin_key, first.secret_key)
    assert not second.generated


def test_processes_that_start_together_agree_on_the_secrets(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ensure_secrets(machine(tmp_path)), range(8)))
    assert len({(secrets.admin_key, secrets.secret_key) for secrets in made}) == 1
    assert sum(secrets.generated for secrets in made) == 1


def test_one_secret_may_be_set_and_the_other_made(tmp_path: Path) -> None:
    secrets = ensure_secrets(machine(tmp_path, admin_key=STRONG))
    assert secrets.admin_key == STRONG
    assert secrets.secret_key == ensure_secrets(machine(tmp_path)).secret_key


@pytest.mark.parametrize("kept", ["", "{}", "[]", "null", '{"admin_key": "x"}', "{"])
def test_a_damaged_file_is_not_replaced_by_new_secrets(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(kept)
    with pytest.raises(SettingsInvalid, match="does not hold the generated secrets"):
        ensure_secrets(machine(tmp_path))
    assert file.read_text() == kept


@pytest.mark.parametrize("weak", ["", "x", 7, None])
def test_a_weak_secret_in_the_file_is_refused_too(tmp_path: Path, weak: object) -> None:
    (tmp_path / "secrets.json").write_text(json.dumps({"admin_key": STRONG, "secret_key": weak}))
    with pytest.raises(SettingsInvalid):
        ensure_secrets(machine(tmp_path))


def test_a_data_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(SettingsInvalid, match=r"secrets\.json"):
        ensure_secrets(machine(tmp_path / "data"))


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    secrets = ensure_secrets(machine(tmp_path))
    assert secrets.admin_key not in repr(secrets)
    assert secrets.secret_key not in repr(secrets)
