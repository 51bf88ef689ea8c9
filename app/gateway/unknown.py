"""Ends what a vendor never answered, once it is known whether it was billed. The client's money stays as it is."""

from typing import Literal

from app.core.attempt import AttemptState
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.store import attempts, audit, tasks
from app.store.attempts import Attempt, Result
from app.store.database import Tx

Outcome = Literal["capture", "release"]


def resolve_unknown(tx: Tx, task_id: str, *, outcome: Outcome, reason: str, actor: str, at: float) -> None:
    """Ends every unknown attempt of a task: `capture`, its exposure becomes cost; `release`, it was not billed.

    Raises: NotFound (task_not_found); Conflict (conflict): nothing of it is unknown.
    """
    if tasks.get(tx, task_id) is None:
        raise NotFound(f"There is no task {task_id!r}.", code="task_not_found")
    unknown = [tried for tried in attempts.list_for_task(tx, task_id) if tried.state is AttemptState.UNKNOWN]
    if not unknown:
        raise Conflict("Every attempt of this task has a known outcome.", code="conflict")
    for tried in unknown:
        attempts.resolve(tx, tried.id, _result(tried, outcome), at=at)
    exposure = sum(tried.exposure_units for tried in unknown)
    change = audit.Change(
        new_id("aud"),
        at,
        actor,
        "task.resolved",
        task_id,
        before={"exposure_units": exposure},
        after={"outcome": outcome, "cost_units": exposure if outcome == "capture" else 0, "reason": reason},
    )
    audit.record(tx, change)


def _result(tried: Attempt, outcome: Outcome) -> Result:
    return Result(
        AttemptState.ACCEPTED if outcome == "capture" else AttemptState.REFUSED,
        images_delivered=tried.images_delivered,
        http_status=tried.http_status,
        failure=tried.failure,
        detail=tried.detail,
        cost_units=tried.cost_units + (tried.exposure_units if outcome == "capture" else 0),
    )
