"""F3: the books equal the vendor's own log, whoever left and whatever broke. `make campaign` sends 10,000 of these."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.campaign.tokens import tokens
from benchmarks.campaign.world import world
from tests.support.databases import postgresql_database, postgresql_template, postgresql_url  # noqa: F401 - a fixture

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    if request.param == "sqlite":
        yield {}
        return
    with postgresql_database(request.getfixturevalue("postgresql_template")) as name:
        yield {"ONESHAPE_DATABASE_URL": postgresql_url(name)}


async def test_f3_every_call_of_the_vendors_log_is_booked_once_and_to_the_token(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    requests = 150 if environment else 300
    async with world(tmp_path, environment) as home:
        report = await tokens(home, requests=requests, processes=1, rng=random.Random(20261120))
    assert report.wrong == []
    assert report.calls > requests / 2
    assert report.charged > requests / 3
    assert report.left > requests / 10
