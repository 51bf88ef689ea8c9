"""Old records go by themselves where that is asked for, in small steps; the ledger stays whole."""

import pytest

from app.core.clock import Clock
from app.gateway.metrics import Metrics
from app.store.database import Database
from app.store.ledger_verify import verify
from app.store.retention import Pruned
from app.worker.retention import EVERY_S, KeptDays, Retention
from tests.store.old_rows import DAY, fill
from tests.store.rows import NOW
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)


class HandClock(Clock):
    """Stands still at a day after what is old was made, and remembers for how long it was to sleep."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> float:
        return NOW + 31 * DAY

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if len(self.slept) > 1 and seconds == EVERY_S:
            raise TimeoutError


async def test_what_is_older_than_it_is_kept_is_removed_every_hour_and_counted(
    database: Database,  # noqa: F811 - the fixture
) -> None:
    await database.write(fill)
    metrics, clock = Metrics(), HandClock()
    kept = KeptDays(tasks=30, chats=30, audit=None)
    with pytest.raises(TimeoutError):
        await Retention(database, clock=clock, kept=kept, metrics=metrics).run()
    assert clock.slept[0] == clock.slept[-1] == EVERY_S
    told = metrics.told().decode()
    counts = {"tasks": 3.0, "attempts": 3.0, "media": 3.0, "webhook_deliveries": 3.0, "chats": 1.0, "audit": 0.0}
    for table, count in counts.items():
        assert f'oneshape_records_removed_total{{table="{table}"}} {count}' in told
    assert (await database.read(verify)).ok
    again = Retention(database, clock=clock, kept=kept, metrics=metrics)
    assert await again.remove() == Pruned()
