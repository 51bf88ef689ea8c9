"""Named points at which a test may have this process killed, to prove that nothing is lost or paid twice there."""

import os
import signal


class Faults:
    """Kills the process, as `kill -9` does, at the points that `plan` names: `point` or `point:3` for the third time.

    Without a plan, which is every production process, a point is an attribute look-up. The plan comes from the variable
    ONESHAPE_FAULTS.
    """

    def __init__(self, plan: str | None = None) -> None:
        self._left: dict[str, int] = {}
        for word in (plan or "").replace(",", " ").split():
            point, _, times = word.partition(":")
            self._left[point] = int(times or 1)

    def at(self, point: str) -> None:
        """Does nothing, unless the plan says that the process ends here."""
        if not self._left or point not in self._left:
            return
        self._left[point] -= 1
        if self._left[point] == 0:
            os.kill(os.getpid(), signal.SIGKILL)


NO_FAULTS = Faults()
