"""A task's states, as a table: the table is the rule."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class TaskStatus(StrEnum):
    """Where a task is. The last three are final."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        """No state follows."""
        return not TRANSITIONS[self]


TRANSITIONS: Final = MappingProxyType(
    {
        TaskStatus.QUEUED: frozenset({TaskStatus.IN_PROGRESS, TaskStatus.CANCELLED, TaskStatus.FAILED}),
        # Back to queued only while nothing was sent to a vendor (fault-cases 2.2).
        TaskStatus.IN_PROGRESS: frozenset(
            {TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.QUEUED}
        ),
        TaskStatus.SUCCEEDED: frozenset(),
        TaskStatus.FAILED: frozenset(),
        TaskStatus.CANCELLED: frozenset(),
    }
)


def advance(current: TaskStatus, to: TaskStatus) -> TaskStatus:
    """The next state, when the table allows it.

    Raises:
        AssertionError: the caller asked for a transition that does not exist, which only a bug can do.
    """
    assert to in TRANSITIONS[current], f"a task does not go from {current} to {to}"
    return to
