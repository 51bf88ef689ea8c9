"""Which modules get faults, which tests must notice them, and which faults nobody could notice."""

from pathlib import Path
from typing import Final

SQLITE: Final = ("-k", "not postgresql")
"""The statements are the same on both databases: one of them notices."""

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "app/media/guard.py": ("tests/media/test_guard.py", "tests/media/test_fetch.py"),
    "app/media/door.py": ("tests/media/test_fetch.py", "tests/media/test_door.py"),
    "app/core/task.py": ("tests/store/test_task_states.py",),
    "app/core/pricing.py": ("tests/store/test_pricing.py",),
    "app/store/ledger.py": (
        *("tests/store/test_ledger_details.py", "tests/store/test_ledger.py", "tests/store/test_verify.py"),
        *SQLITE,
    ),
    "app/store/ledger_verify.py": ("tests/store/test_verify.py", *SQLITE),
    "app/store/bookings.py": ("tests/store/test_booking_details.py", "tests/store/test_bookings.py", *SQLITE),
    "app/store/booking_rows.py": ("tests/store/test_booking_details.py", "tests/store/test_bookings.py", *SQLITE),
    "app/store/tasks.py": (
        *("tests/store/test_tasks.py", "tests/store/test_task_details.py", "tests/store/test_leases.py"),
        *SQLITE,
    ),
    "app/store/leases.py": ("tests/store/test_leases.py", "tests/store/test_lease_details.py", *SQLITE),
    "app/store/attempts.py": ("tests/store/test_attempts.py", "tests/store/test_attempt_details.py", *SQLITE),
}

_ROWS: Final = (Path(__file__).parent / "equivalent.tsv").read_text("utf-8").splitlines()
EQUIVALENT: Final[dict[tuple[str, str, str], str]] = {
    (path, line, about): reason for path, line, about, reason in (row.split("\t") for row in _ROWS)
}
"""(path, line, fault) and the reason why it changes nothing that can be seen, or not on SQLite."""
