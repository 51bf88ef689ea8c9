"""Tasks against a plain model, through any history Hypothesis can think of (T1 to T12, L1 to L16, F6, G88)."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from app.store.database import Database
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    postgresql_copy,
    postgresql_template,
    sqlite_template,
)
from tests.worker.task_machine import TaskMachine

pytestmark = pytest.mark.timeout(600)

QUIET = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def some(examples: int, steps: int) -> settings:
    return settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=QUIET)


def test_whatever_happens_to_tasks_on_sqlite_the_model_agrees(
    sqlite_template: Path,  # noqa: F811 - the fixture
    tmp_path: Path,
) -> None:
    number = iter(range(10**6))

    async def opened() -> Database:
        copy = tmp_path / f"{next(number)}.db"
        shutil.copyfile(sqlite_template, copy)
        return await Database.open(f"sqlite+aiosqlite:///{copy}")

    machine: Any = lambda: TaskMachine(opened)  # noqa: E731 -- a class is asked for, and called
    run_state_machine_as_test(machine, settings=some(16, 40))


def test_whatever_happens_to_tasks_on_postgresql_the_model_agrees(postgresql_copy: str) -> None:  # noqa: F811
    async def opened() -> Database:
        return await Database.open(postgresql_copy, own_clock=False)

    machine: Any = lambda: TaskMachine(opened)  # noqa: E731 -- a class is asked for, and called
    run_state_machine_as_test(machine, settings=some(5, 40))
