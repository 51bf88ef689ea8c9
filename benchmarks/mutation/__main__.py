"""`python -m benchmarks.mutation`: plants each fault alone, runs the module's tests, and prints what no test noticed.

Every fault gets a process that is forked from one with the libraries loaded. `EQUIVALENT` lists faults that change
nothing anybody could see, with the reason.
"""

import argparse
import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Final

from benchmarks.mutation.faults import Fault, faults, faulty
from benchmarks.mutation.plan import EQUIVALENT, TESTS

LIBRARIES: Final = (
    *("pydantic", "sqlalchemy.ext.asyncio", "alembic.command", "httpx", "aiohttp", "structlog", "orjson", "yaml"),
    *("fastapi", "uvicorn", "prometheus_client", "PIL.Image", "asyncpg", "cryptography.x509"),
    *("pytest", "pytest_asyncio.plugin", "pytest_timeout", "hypothesis.strategies"),
)
"""What takes long to import: once, and not for every fault."""
OPTIONS: Final = (
    "-x",
    "-q",
    "-p",
    "no:cacheprovider",
    "-W",
    "ignore:Module already imported",
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout"),
)
"""Of plugins only what the tests need: loading the others takes longer than most tests."""
LIMIT_S: Final = 120
"""A fault that makes the tests run for ever is noticed too."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fault."""

    path: str
    fault: Fault
    killed: bool
    line: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Where it is, without line numbers, which move."""
        return self.path, self.line, self.fault.about

    def __str__(self) -> str:
        return f"{self.path}:{self.fault.line}: {self.fault.about}: {self.line}"


class Planted(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module another body."""

    def __init__(self, name: str, path: str, module: ast.Module) -> None:
        self._name, self._path, self._module = name, path, module

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Only that module is ours."""
        if fullname != self._name:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=self._path)

    def exec_module(self, module: ModuleType) -> None:
        """Runs the faulty body."""
        module.__file__ = self._path
        exec(compile(self._module, self._path, "exec"), module.__dict__)


def main() -> int:
    """0 when at least nine faults of ten were noticed in every module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutation", description=__doc__)
    parser.add_argument("--only", default="", help="modules whose path has this in it")
    parser.add_argument("--at-once", type=int, default=2)
    asked = parser.parse_args()
    # The same examples for each fault, and no plugin that is not named.
    os.environ |= {"CI": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for library in LIBRARIES:
        importlib.import_module(library)
    worst = 1.0
    for path, tests in TESTS.items():
        if asked.only in path:
            worst = min(worst, _module(path, tests, at_once=asked.at_once))
    return 0 if worst >= 0.9 else 1


def _module(path: str, tests: Sequence[str], *, at_once: int) -> float:
    """The share of faults in a module that were noticed, equivalents left out."""
    began, source = time.monotonic(), Path(path).read_text("utf-8")
    if not _passes(path, ast.parse(source), tests):
        print(f"{path}: its tests fail without any fault", flush=True)
        return 0.0
    outcomes = list(_outcomes(path, source, tests, at_once=at_once))
    missed = [outcome for outcome in outcomes if not outcome.killed]
    survivors = [outcome for outcome in missed if outcome.key not in EQUIVALENT]
    killed = len(outcomes) - len(missed)
    counted = killed + len(survivors)
    print(
        f"{path}: {len(outcomes)} faults, {killed} killed, {len(survivors)} survived, {len(missed) - len(survivors)} "
        f"equivalent; {killed / max(counted, 1):.1%}; {time.monotonic() - began:.0f} s",
        *survivors,
        sep="\n  ",
        flush=True,
    )
    return killed / max(counted, 1)


def _outcomes(path: str, source: str, tests: Sequence[str], *, at_once: int) -> Iterator[Outcome]:
    lines, running = source.splitlines(), dict[int, tuple[Fault, float]]()
    waiting = list(faults(source))[::-1]
    while waiting or running:
        while waiting and len(running) < at_once:
            fault = waiting.pop()
            running[_begin(path, faulty(source, fault), tests)] = (fault, time.monotonic())
        for process, (fault, began) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended and time.monotonic() - began > LIMIT_S:
                os.killpg(process, signal.SIGKILL)
                ended, status = os.waitpid(process, 0)
            if ended:
                del running[process]
                yield Outcome(path, fault, os.waitstatus_to_exitcode(status) != 0, lines[fault.line - 1].strip())
        time.sleep(0.02)


def _passes(path: str, module: ast.Module, tests: Sequence[str]) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(_begin(path, module, tests), 0)[1]) == 0


def _begin(path: str, module: ast.Module, tests: Sequence[str]) -> int:
    """A process that runs the tests with that module; its exit code is theirs."""
    process = os.fork()
    if process:
        return process
    os.setpgid(0, 0)
    quiet = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(quiet, number)
    sys.meta_path.insert(0, Planted(path.removesuffix(".py").replace("/", "."), path, module))
    code = 1
    with contextlib.suppress(BaseException):
        pytest = importlib.import_module("pytest")
        code = int(pytest.main([*OPTIONS, *tests]))
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main())
