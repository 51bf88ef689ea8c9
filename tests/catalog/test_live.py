"""The catalog in force is replaced whole by a newer valid revision, and by nothing else."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import CapturingLogger

from app.core.clock import Clock
from app.core.errors import Overloaded
from app.gateway.catalog.findings import CatalogInvalid
from app.gateway.catalog.live import FileSource, LiveCatalog, Revision, Source
from tests.catalog.support import SECRET_KEY, SMALL, changed

CHEAPER = changed('"0.05"', '"0.04"')
BROKEN = changed("vendor: painter", "vendor: nobody")


class TickingClock(Clock):
    """A clock on which waiting takes no time: it takes its next step, and after the last one it stops the loop."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        self._steps = list(steps)
        self.waited_s = 0.0

    async def sleep(self, seconds: float) -> None:
        self.waited_s += seconds
        if not self._steps:
            raise asyncio.CancelledError
        self._steps.pop(0)()


class Table:
    """Revisions as a database keeps them: the newest is answered, unless it cannot be reached."""

    def __init__(self, text: str | None) -> None:
        self.newest = Revision(1, text, "yaml") if text is not None else None
        self.down = False

    def add(self, text: str) -> None:
        self.newest = Revision(self.newest.number + 1 if self.newest else 1, text, "yaml")

    async def __call__(self) -> Revision | None:
        if self.down:
            raise Overloaded("The database cannot be reached.", code="storage_unavailable")
        return self.newest


class Log:
    """What was logged: the level and the event of each line, and all of it as text."""

    def __init__(self) -> None:
        self._lines = CapturingLogger()
        self.logger = structlog.wrap_logger(self._lines, processors=[])

    @property
    def events(self) -> list[tuple[str, str]]:
        return [(call.method_name, call.kwargs["event"]) for call in self._lines.calls]

    @property
    def text(self) -> str:
        return repr(self._lines.calls)


async def opened(
    source: Source, *, clock: Clock | None = None, log: Log | None = None, env: dict[str, str] | None = None
) -> LiveCatalog:
    return await LiveCatalog.open(
        source, env=env or {}, secret_key=SECRET_KEY, clock=clock or TickingClock(), log=(log or Log()).logger
    )


async def until_stopped(live: LiveCatalog) -> None:
    with pytest.raises(asyncio.CancelledError):
        await live.run()


def price(live: LiveCatalog) -> Any:
    return live.current.models["picture-1k"].price.per_image


async def test_a_newer_revision_replaces_the_snapshot_and_leaves_the_old_one_as_it_was() -> None:
    table = Table(SMALL)
    live = await opened(table)
    before = live.current
    table.add(CHEAPER)
    assert await live.refresh()
    assert (live.current.revision, price(live)) == (2, 40_000)
    assert (before.revision, before.models["picture-1k"].price.per_image) == (1, 50_000)


async def test_the_same_revision_is_not_built_again() -> None:
    live = await opened(Table(SMALL))
    before = live.current
    assert not await live.refresh()
    assert live.current is before


async def test_a_broken_revision_keeps_the_old_snapshot_and_is_told_once() -> None:
    log, table = Log(), Table(SMALL)
    clock = TickingClock(lambda: table.add(BROKEN), lambda: None, lambda: None)
    live = await opened(table, clock=clock, log=log)
    await until_stopped(live)
    assert live.current.revision == 1
    assert log.events == [("error", "catalog_refused")]
    assert "'nobody' is not in vendors" in log.text


async def test_a_mended_revision_serves_after_a_broken_one() -> None:
    table = Table(SMALL)
    live = await opened(table, clock=TickingClock(lambda: table.add(BROKEN), lambda: table.add(CHEAPER)))
    await until_stopped(live)
    assert (live.current.revision, price(live)) == (3, 40_000)


async def test_a_restored_older_revision_is_a_newer_one_with_the_old_text() -> None:
    table = Table(SMALL)
    live = await opened(table, clock=TickingClock(lambda: table.add(CHEAPER), lambda: table.add(SMALL)))
    await until_stopped(live)
    assert (live.current.revision, price(live)) == (3, 50_000)


async def test_a_source_that_is_away_is_told_once_and_asked_again() -> None:
    log, table = Log(), Table(SMALL)

    def away() -> None:
        table.down = True

    def back() -> None:
        table.down = False
        table.add(CHEAPER)

    live = await opened(table, clock=TickingClock(away, lambda: None, back), log=log)
    await until_stopped(live)
    assert price(live) == 40_000
    assert log.events == [("error", "catalog_source_unreachable"), ("info", "catalog_replaced")]


async def test_every_replica_has_a_change_within_five_seconds() -> None:
    table = Table(SMALL)
    clock = TickingClock(lambda: table.add(CHEAPER))
    live = await opened(table, clock=clock)
    await until_stopped(live)
    assert price(live) == 40_000
    assert clock.waited_s / 2 <= 5


async def test_without_a_catalog_nothing_starts() -> None:
    with pytest.raises(CatalogInvalid, match="there is no catalog"):
        await opened(Table(None))


async def test_a_broken_catalog_does_not_start() -> None:
    with pytest.raises(CatalogInvalid, match="nobody"):
        await opened(Table(BROKEN))


async def test_an_edited_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "catalog.yaml"
    path.write_text(SMALL)
    live = await opened(FileSource(path), clock=TickingClock(lambda: _write(path, CHEAPER)))
    await until_stopped(live)
    assert price(live) == 40_000


async def test_a_file_that_is_replaced_by_another_is_read_again(tmp_path: Path) -> None:
    path, other = tmp_path / "catalog.yaml", tmp_path / "other.yaml"
    _write(path, SMALL)
    _write(other, CHEAPER)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert other.stat().st_size == path.stat().st_size
    live = await opened(FileSource(path), clock=TickingClock(lambda: _move(other, path)))
    await until_stopped(live)
    assert price(live) == 40_000


async def test_a_file_that_is_gone_leaves_the_snapshot(tmp_path: Path) -> None:
    log, path = Log(), tmp_path / "catalog.yaml"
    path.write_text(SMALL)
    live = await opened(FileSource(path), clock=TickingClock(path.unlink, lambda: None), log=log)
    await until_stopped(live)
    assert price(live) == 50_000
    assert log.events == [("error", "catalog_source_unreachable")]


async def test_a_files_revision_is_the_same_on_every_replica_and_another_for_another_text(tmp_path: Path) -> None:
    _write(tmp_path / "a.yaml", SMALL)
    _write(tmp_path / "b.yaml", SMALL)
    _write(tmp_path / "c.yaml", CHEAPER)
    numbers = [(await opened(FileSource(tmp_path / name))).current.revision for name in ("a.yaml", "b.yaml", "c.yaml")]
    assert numbers[0] == numbers[1] != numbers[2]
    assert all(0 <= number < 2**31 for number in numbers)


async def test_a_file_called_json_is_read_as_json(tmp_path: Path) -> None:
    path = tmp_path / "catalog.json"
    path.write_text('{"version": 1}')
    assert (await opened(FileSource(path))).current.models == {}
    path.write_text("version: 1")
    with pytest.raises(CatalogInvalid):
        await opened(FileSource(path))


async def test_keys_are_not_logged() -> None:
    log, table = Log(), Table(SMALL)
    live = await opened(table, log=log, env={"NEW": "key with spaces"})
    table.add(changed("pk-one", "pk-two"))
    assert await live.refresh()
    table.add(changed("pk-one", '"env:NEW"'))
    assert not await live.refresh()
    assert "pk-" not in log.text
    assert "with spaces" not in log.text.replace("without spaces", "")


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _move(path: Path, to: Path) -> None:
    path.replace(to)
