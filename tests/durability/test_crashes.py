"""F1, F2, H95: the real process is killed by SIGKILL, at every named point and at none in particular."""

import asyncio
import random
import re
from pathlib import Path

import pytest

import app
from benchmarks.campaign.crash import POINTS, Point, crash_at
from benchmarks.campaign.storm import storm
from benchmarks.campaign.world import world

AT_ONCE = 5
EACH_ONCE = list({point.name: point for point in reversed(POINTS)}.values())
"""`make campaign` goes to all of them, also with vendors that answer at once."""

pytestmark = pytest.mark.timeout(300)


async def test_f1_killed_at_any_point_it_pays_at_most_once_and_loses_nothing(tmp_path: Path) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def killed(point: Point, number: int) -> list[str]:
        directory = tmp_path / str(number)
        directory.mkdir()
        async with places, world(directory) as home:
            findings, broken = await crash_at(home, point, number)
        return [f"{point.name} (polled: {point.polled}): {problem}" for problem in (*broken, *findings.wrong)]

    problems = await asyncio.gather(*(killed(point, number) for number, point in enumerate(EACH_ONCE)))
    assert [problem for found in problems for problem in found] == []


async def test_f2_a_process_killed_again_and_again_under_load_loses_nothing_and_pays_nothing_twice(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as home:
        findings, told = await storm(home, rounds=3, rng=random.Random(20261120))
    assert findings.wrong == []
    assert findings.succeeded > 0
    assert len(told.promised) > 0


@pytest.mark.parametrize("directory", ["gateway", "worker"])
def test_every_named_point_is_one_where_the_process_is_killed(directory: str) -> None:
    sources = Path(str(app.__file__)).parent / directory
    named = {name for path in sources.glob("*.py") for name in re.findall(r'faults\.at\("([^"]+)"\)', path.read_text())}
    assert named
    assert named <= {point.name for point in EACH_ONCE}
