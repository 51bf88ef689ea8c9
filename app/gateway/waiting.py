"""Work that a vendor has accepted and will show later, as small as it can be kept: thousands of them wait at once."""

from dataclasses import dataclass

from app.core.image import Pending
from app.gateway.plan import Stop
from app.store.attempts import Attempt
from app.upstream.trial import Trial


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """An accepted attempt, and what its vendor said last. `until`: when it is given up, in the clock's monotonic time.

    `credential`: the one that it was sent with; None: it is not known, and each is tried in turn. `place`: where it is
    in a trace. `tells_progress`: whether its progress is the whole task's.
    """

    attempt: Attempt
    lease_token: str
    stop: Stop
    trial: Trial
    pending: Pending
    credential: str | None
    until: float
    place: str | None
    tells_progress: bool

    @property
    def task_id(self) -> str:
        """The task it is for."""
        return self.attempt.task_id
