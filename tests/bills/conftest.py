"""Both databases, and a day's work at a vendor that a bill may be for."""

import pytest

from app.core.attempt import AttemptState
from app.gateway.bills import Bills
from app.store import attempts, chats
from app.store.attempts import Attempt, Result
from app.store.chats import Chat
from app.store.database import Database, Tx
from tests.routing.support import HandClock
from tests.store.rows import NOW, a_task, add_account, admit
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)

DAY = 86_400.0
VENDOR = "painter"


def work(tx: Tx) -> None:
    """Three pictures delivered at 4 units each for 10, one refused, one nobody knows about; a text; a day later one."""
    add_account(tx, units=10_000)
    for number in range(6):
        at = NOW + (DAY if number == 5 else 0)
        admit(tx, a_task(f"task_{number}", created_at=at))
        attempts.intend(tx, Attempt(f"att_{number}", f"task_{number}", 0, 0, VENDOR, "big-model", 1, at))
        if number == 3:
            refused = Result(AttemptState.REFUSED, failure="unreachable")
            attempts.resolve(tx, f"att_{number}", refused, at=at)
            continue
        attempts.mark_sent(tx, f"att_{number}", at=at, credential="c")
        if number == 4:
            attempts.resolve(tx, "att_4", Result(AttemptState.UNKNOWN, exposure_units=4), at=at)
            continue
        attempts.store_handle(tx, f"att_{number}", handle=f"job-{number}")
        attempts.resolve(tx, f"att_{number}", Result(AttemptState.ACCEPTED, images_delivered=1, cost_units=4), at=at)
    text = Chat(
        "chat_1",
        "acc_1",
        "key_1",
        "gpt",
        "succeeded",
        NOW,
        NOW,
        vendor=VENDOR,
        vendor_model="writer",
        units=30,
        cost_units=20,
    )
    chats.record(tx, text)


@pytest.fixture
async def bills(database: Database) -> Bills:  # noqa: F811
    await database.write(work)

    async def vendors() -> frozenset[str]:
        return frozenset({VENDOR})

    clock = HandClock()
    clock.time = NOW
    return Bills(database, clock=clock, vendors=vendors, actor="test")
