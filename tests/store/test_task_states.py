"""The transition table of tasks, whole: what it has, and what it has not (T1, K)."""

import itertools
from typing import Final

import pytest

from app.core.task import TaskStatus, advance

QUEUED, BUSY, DONE, FAILED, CANCELLED = (
    TaskStatus.QUEUED,
    TaskStatus.IN_PROGRESS,
    TaskStatus.SUCCEEDED,
    TaskStatus.FAILED,
    TaskStatus.CANCELLED,
)
ALLOWED: Final = {
    *((QUEUED, to) for to in (BUSY, CANCELLED, FAILED)),
    *((BUSY, to) for to in (DONE, FAILED, CANCELLED, QUEUED)),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(TaskStatus, TaskStatus)))
def test_t1_a_task_goes_where_the_table_says_and_nowhere_else(before: TaskStatus, after: TaskStatus) -> None:
    if (before, after) in ALLOWED:
        assert advance(before, after) is after
    else:
        with pytest.raises(AssertionError):
            advance(before, after)


def test_t1_three_states_are_the_end() -> None:
    assert {status for status in TaskStatus if status.terminal} == {DONE, FAILED, CANCELLED}
