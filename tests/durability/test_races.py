"""F4, F5, G85-G87: a crowd for a budget of ten, and twenty under one key, against real processes on both databases."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from benchmarks.campaign.races import budget_race, duplicates
from benchmarks.campaign.world import LONG_LEASES, PRICE_UNITS, Gateway, World, world
from tests.support.databases import postgresql_database, postgresql_template, postgresql_url  # noqa: F401 - a fixture


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    with postgresql_database(request.getfixturevalue("postgresql_template")) as name:
        yield {"ONESHAPE_DATABASE_URL": postgresql_url(name)}


@pytest.fixture
async def crowded(tmp_path: Path, environment: dict[str, str]) -> AsyncIterator[tuple[World, list[Gateway]]]:
    """A world with as many processes as its database bears: two on PostgreSQL, one on SQLite."""
    async with world(tmp_path, {**LONG_LEASES, **environment}) as home:
        count = 2 if environment else 1
        yield home, [await home.start() for _ in range(count)]


async def test_f5_a_budget_for_ten_admits_exactly_ten_of_a_crowd(crowded: tuple[World, list[Gateway]]) -> None:
    race = await budget_race(*crowded, asked=200, affordable=10, name="crowd")
    assert race.statuses == {200: 10, 402: 190}
    assert (race.calls, race.spent_units) == (10, 10 * PRICE_UNITS)
    assert race.ledger_clean


async def test_f4_twenty_duplicates_over_all_processes_are_one_call_and_one_answer(
    crowded: tuple[World, list[Gateway]],
) -> None:
    for number in range(3):
        race = await duplicates(*crowded, name=f"key {number}")
        assert race.statuses == {200: 20}
        assert (race.calls, race.answers, race.spent_units) == (1, 1, PRICE_UNITS)
        assert race.ledger_clean
