"""What a fuzzer found: how many cases, what was answered, and whatever must not be."""

import json
from collections import Counter
from dataclasses import dataclass, field

OURS = frozenset({"internal_error"})
KEYS = {"message", "type", "param", "code"}


@dataclass(slots=True)
class Figures:
    """The outcome of one run. `problems` name the case, so that the seed and the number replay it."""

    name: str
    seed: int
    cases: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def judge(self, case: str, status: int, body: bytes) -> None:
        """Counts an answer; a 5xx of ours and an error in another shape than its surface's are problems."""
        self.cases += 1
        self.statuses[status] += 1
        if status < 400:
            return
        try:
            error = json.loads(body)["error"]
        except (ValueError, KeyError, TypeError):
            self.problems.append(f"{case}: {status} without an error: {body[:200]!r}")
            return
        google = isinstance(error, dict) and error.keys() == {"code", "message", "status"}
        if not google and (not isinstance(error, dict) or error.keys() != KEYS):
            self.problems.append(f"{case}: {status} in another shape: {body[:200]!r}")
        elif status == 500 or (not google and error["code"] in OURS):
            self.problems.append(f"{case}: {status} {body[:200]!r}")

    def __str__(self) -> str:
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(self.statuses.items()))
        return f"{self.name:8} seed {self.seed}: {self.cases:,} cases, {len(self.problems)} problems ({answers})"
