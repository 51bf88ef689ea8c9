"""The command line in an empty directory, as an operator types it, in a process of its own or in ours."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import app

Oneshape = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of the commands; a test may change them."""
    return {"ONESHAPE_DATA_DIR": str(tmp_path / "data")}


@pytest.fixture
def oneshape(environment: Mapping[str, str]) -> Oneshape:
    """Runs a command and gives what it printed and how it ended; a traceback fails the test."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, arguments, env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def told(oneshape: Oneshape) -> Callable[..., Any]:
    """Runs a command that must succeed with `--json`, and gives the document."""

    def run(*arguments: str) -> Any:
        result = oneshape(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run
