"""What dead processes held for text requests is released once they are surely gone, and never before (L5, L12)."""

import pytest
from sqlalchemy import select

from app.core.clock import Clock
from app.core.ids import new_ordered_id
from app.gateway.lost_texts import LONGEST_S, LOOK_ROUND_S, LostTexts
from app.store import chats, fleet, ledger_verify, tables
from app.store.bookings import Hold, Settlement, Work, book
from app.store.database import Database
from app.store.ledger import KeyBudget
from tests.store.rows import NOW, add_account
from tests.support.databases import (  # noqa: F401 - fixtures are found by name
    database,
    database_url,
    postgresql_copy,
    postgresql_template,
    sqlite_template,
    sqlite_url,
)

SILENT_S = 60.0
BEAT_S = 30.0


class HandClock(Clock):
    time = NOW

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class World:
    """An account with 1,000 units, and a sweeper's eyes."""

    def __init__(self, database: Database) -> None:  # noqa: F811 - the value
        self.database = database
        self.clock = HandClock()
        self.lost = LostTexts(database, clock=self.clock, silent_s=SILENT_S)

    async def held(self, process: str | None, units: int = 40) -> Hold:
        work = None if process is None else Work(process, "words", "acme", "acme-words", 30)
        key = KeyBudget("key_1", 1000, "total")
        at = self.clock.time
        hold = Hold(new_ordered_id("chatcmpl", at), "acc_1", key, units, {"per_request": 1}, at, "total", work)
        await self.database.write(lambda tx: book(tx, [hold], []))
        return hold

    async def beat(self, process: str) -> None:
        await self.database.write(lambda tx: fleet.heartbeat(tx, process, at=self.clock.time))

    async def pass_time(self, seconds: float, *alive: str) -> None:
        """Sweeps as often as processes beat."""
        for _ in range(round(seconds / BEAT_S)):
            self.clock.time += BEAT_S
            for process in alive:
                await self.beat(process)
            await self.lost.end()

    async def held_units(self) -> int:
        query = select(tables.accounts.c.held_units).where(tables.accounts.c.id == "acc_1")
        return int(await self.database.read(lambda tx: tx.execute(query).scalar_one()))

    async def records(self) -> list[chats.Chat]:
        rows = await self.database.read(lambda tx: tx.execute(tables.chats.select()).all())
        return [chats.Chat(**row._mapping) for row in rows]


@pytest.fixture
async def world(database: Database) -> World:  # noqa: F811 - the fixture
    await database.write(lambda tx: add_account(tx, units=1000))
    return World(database)


async def test_a_dead_processs_hold_is_released_and_what_the_vendor_may_bill_is_on_record(world: World) -> None:
    await world.beat("prc_dead")
    await world.held("prc_dead")
    await world.pass_time(SILENT_S, "prc_alive")
    assert await world.held_units() == 40
    await world.pass_time(SILENT_S / 2 + BEAT_S, "prc_alive")
    assert await world.held_units() == 0
    (record,) = await world.records()
    assert (record.outcome, record.units, record.exposure_units) == ("interrupted", 0, 30)
    assert (record.model, record.vendor, record.vendor_model) == ("words", "acme", "acme-words")
    assert (await world.database.read(ledger_verify.verify)).violations == ()


async def test_a_living_processs_hold_stays_for_as_long_as_it_lives(world: World) -> None:
    await world.beat("prc_alive")
    await world.held("prc_alive")
    await world.pass_time(LOOK_ROUND_S + 300, "prc_alive")
    assert await world.held_units() == 40


async def test_after_the_database_was_away_nobody_is_gone_who_beats_again(world: World) -> None:
    await world.beat("prc_alive")
    await world.held("prc_alive")
    world.clock.time += 10 * SILENT_S  # nobody could beat, and nobody could sweep
    await world.lost.end()
    await world.pass_time(2 * SILENT_S, "prc_alive")
    assert await world.held_units() == 40


async def test_what_a_process_left_behind_in_good_order_is_found_within_the_hour(world: World) -> None:
    await world.beat("prc_left")
    await world.held("prc_left")
    await world.database.write(lambda tx: fleet.leave(tx, "prc_left"))
    await world.pass_time(LOOK_ROUND_S + 2 * SILENT_S, "prc_alive")
    assert await world.held_units() == 0


async def test_a_hold_of_an_older_version_is_left_alone_until_no_text_can_be_so_long(world: World) -> None:
    await world.held(None)
    await world.pass_time(LOOK_ROUND_S + 2 * SILENT_S, "prc_alive")
    assert await world.held_units() == 40
    world.clock.time += LONGEST_S / 2
    await world.beat("prc_alive")
    await world.pass_time(LOOK_ROUND_S, "prc_alive")
    assert await world.held_units() == 0


async def test_l3_two_sweepers_and_the_process_itself_resolve_a_charge_once(world: World) -> None:
    await world.beat("prc_dead")
    hold = await world.held("prc_dead")
    other = LostTexts(world.database, clock=world.clock, silent_s=SILENT_S)
    chat = chats.Chat(hold.charge_id, "acc_1", "key_1", "words", "succeeded", NOW, NOW + 1, units=25)
    await world.pass_time(SILENT_S)
    await other.end()
    await world.database.write(lambda tx: book(tx, [], [Settlement(chat, hold, held=True)]))  # it was only slow
    world.clock.time += SILENT_S
    await other.end()
    await world.lost.end()
    assert [record.outcome for record in await world.records()] == ["succeeded"]
    assert await world.held_units() == 0
    assert (await world.database.read(ledger_verify.verify)).violations == ()
