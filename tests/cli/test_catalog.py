"""`oneshape catalog`: a file is checked anywhere, compared with the database and put in force there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.admin.support import CATALOG
from tests.cli.conftest import Oneshape

Told = Callable[..., Any]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "catalog.yaml"
    path.write_text(CATALOG)
    return path


def test_a_valid_file_ends_with_0_and_its_warnings_and_touches_nothing(
    oneshape: Oneshape, told: Told, file: Path, tmp_path: Path
) -> None:
    result = oneshape("catalog", "validate", str(file))
    assert (result.exit_code, result.stdout) == (0, "Valid: 2 models at 2 vendors.\n")
    assert "WRITER_KEY" in result.stderr
    answer = told("catalog", "validate", str(file))
    assert (answer["valid"], [warning["path"] for warning in answer["warnings"]]) == (True, ["vendors.writer"])
    assert not (tmp_path / "data").exists()


def test_an_invalid_file_ends_with_1_and_every_error_at_its_line(oneshape: Oneshape, file: Path) -> None:
    file.write_text(CATALOG.replace('"0.134"', "0.134").replace("default: picture-1k", "default: nobody"))
    result = oneshape("catalog", "validate", str(file))
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first.startswith("error: models[0].price.per_image (line ")
    assert second.startswith("error: families.picture.default (line ")
    as_json = oneshape("catalog", "validate", str(file), "--json")
    assert as_json.exit_code == 1
    answer = json.loads(as_json.stdout)
    assert (answer["valid"], len(answer["errors"])) == (False, 2)
    assert oneshape("catalog", "apply", str(file)).exit_code == 1


def test_a_file_that_is_not_there_is_exit_code_2(oneshape: Oneshape, tmp_path: Path) -> None:
    for command in ("validate", "diff", "apply"):
        result = oneshape("catalog", command, str(tmp_path / "none.yaml"))
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1


def test_a_file_is_compared_applied_and_shown(oneshape: Oneshape, told: Told, file: Path) -> None:
    assert told("catalog", "apply", str(file), "--comment", "ours")["revision"] == 2
    shown = oneshape("catalog", "show").stdout
    assert "picture-1k" in shown
    assert "pk-not-for-anybody" not in shown
    assert set(told("catalog", "show")["vendors"]) == {"painter", "writer"}
    file.write_text(CATALOG.replace("pk-not-for-anybody", "env:PAINTER").replace("0.134", "0.2"))
    assert "models[picture-1k].price.per_image: 0.134 → 0.2" in oneshape("catalog", "diff", str(file)).stdout
    assert told("catalog", "show")["models"][0]["price"] == {"per_image": "0.134"}
    assert "Revision 3 is in force." in oneshape("catalog", "apply", str(file)).stdout
    assert oneshape("catalog", "show").stdout == file.read_text()
    assert oneshape("catalog", "diff", str(file)).stdout == "Nothing differs.\n"


def test_where_a_file_rules_nothing_is_applied(oneshape: Oneshape, environment: dict[str, str], file: Path) -> None:
    environment["ONESHAPE_CATALOG"] = str(file)
    other = file.with_name("other.yaml")
    other.write_text(CATALOG.replace("0.134", "0.2"))
    assert "0.134 → 0.2" in oneshape("catalog", "diff", str(other)).stdout
    result = oneshape("catalog", "apply", str(other))
    assert result.exit_code == 2
    assert "is a file" in result.stderr
