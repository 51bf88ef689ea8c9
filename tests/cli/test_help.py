"""What the command line tells about itself: every command and parameter, exit codes, its version, completion."""

import re
import socket
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from app.cli.main import app
from app.cli.running import Exit
from tests.cli.conftest import Oneshape
from tests.house.repository import text


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its whole name, groups too."""

    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for word, one in getattr(command, "commands", {}).items():
            yield from below(f"{name} {word}", one)

    yield from below("oneshape", typer.main.get_command(app))


def test_every_command_and_every_parameter_is_explained() -> None:
    unexplained = [name for name, command in commands() if not command.help]
    for name, command in commands():
        shown = [one for one in command.params if not getattr(one, "hidden", False)]
        unexplained += [f"{name} {one.name}" for one in shown if not getattr(one, "help", None)]
    assert unexplained == []


def test_commands_say_what_to_do_and_not_what_is_done() -> None:
    """ "Serve the API", as one says to git; groups have a noun."""
    firsts = {name: (command.help or "").split()[0] for name, command in commands() if not hasattr(command, "commands")}
    assert {name: word for name, word in firsts.items() if word.endswith("s") and word != "Pass"} == {}


def test_every_command_that_prints_a_document_prints_json_too() -> None:
    """Those that serve and those that show the tour print none."""
    without = {
        name.removeprefix("oneshape ")
        for name, command in commands()
        if not hasattr(command, "commands") and "as_json" not in {one.name for one in command.params}
    }
    assert without == {"serve", "worker", "sandbox", "demo"}


def test_exit_codes_are_told_by_help_and_by_the_manual(oneshape: Oneshape) -> None:
    told = " ".join(oneshape("--help").stdout.split())
    manual = text("docs/operations.md")
    for code in Exit:
        assert re.search(rf"\b{code.value} \w+", told)
        assert f"| {code.value} |" in manual, code


def test_the_version_is_that_of_the_package(oneshape: Oneshape) -> None:
    assert oneshape("--version").stdout.strip() == version("oneshape")


@pytest.mark.parametrize("command", [("serve",), ("serve", "--sandbox"), ("sandbox",)], ids=" ".join)
def test_a_port_in_use_is_one_line_and_exit_code_3(oneshape: Oneshape, command: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = oneshape(*command, "--port", port)
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert (result.exit_code, len(errors)) == (Exit.UNREACHABLE, 1), result.stderr
    assert f"127.0.0.1:{port}" in errors[0]
    assert "in use" in errors[0]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_it(shell: str) -> None:
    done = CliRunner().invoke(app, env={"_ONESHAPE_COMPLETE": f"source_{shell}"}, prog_name="oneshape")
    assert done.exit_code == 0, done.output
    assert "_ONESHAPE_COMPLETE" in done.stdout
    assert f"complete_{shell}" in done.stdout
