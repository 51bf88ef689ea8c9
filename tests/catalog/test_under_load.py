"""A catalog that is changed under load drops nothing, whichever way it is changed; `make campaign` changes it more."""

from pathlib import Path

import pytest

from benchmarks.catalog_changes import changes_under_load


@pytest.mark.timeout(180)
@pytest.mark.parametrize("by_file", [False, True])
async def test_no_request_is_dropped_while_the_catalog_changes(tmp_path: Path, by_file: bool) -> None:
    figures = await changes_under_load(tmp_path, by_file=by_file, changes=3 if by_file else 7, loaders=4)
    assert figures.failures == []
    assert figures.tasks_over_a_change >= 3
    assert figures.changes >= 3
    assert set(figures.answers) == {"picture", "chat", "text", "task"}
