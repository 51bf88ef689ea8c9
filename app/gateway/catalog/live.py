"""The catalog in force: one immutable snapshot, replaced whole when its source has a newer one that is valid."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from structlog.typing import FilteringBoundLogger

from app.core.catalog import Catalog
from app.core.clock import Clock
from app.core.errors import GatewayError
from app.gateway.catalog.build import LoadedCatalog, load
from app.gateway.catalog.findings import CatalogInvalid, Finding
from app.gateway.catalog.yaml import MAX_BYTES, Format

EVERY_S: Final = 1.0
"""How often a source is asked: every replica has a change well within the 5 s that the contract promises."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of the catalog's text. Another number means another text."""

    number: int
    text: str | bytes
    format: Format


Source = Callable[[], Awaitable[Revision | None]]
"""Answers the newest revision, None when there is none. Raises: OSError, GatewayError when it cannot be reached now."""

Earlier = Callable[[int], Awaitable[Revision | None]]
"""Answers an earlier revision by its number, None when it is not kept. Raises: GatewayError."""

KEPT: Final = 16
"""How many earlier snapshots a process keeps, for work that was admitted by them."""


async def nothing_earlier(number: int) -> Revision | None:
    """The `Earlier` of a source that keeps nothing, such as a file."""
    return None


class FileSource:
    """A file that an operator edits; read again when it is another one or has another time or size."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int, int] | None = None
        self._revision: Revision | None = None

    async def __call__(self) -> Revision | None:
        """The file's revision, numbered by its content: the same on every replica and after every restart."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> Revision | None:
        stat = self._path.stat()
        stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if stamp != self._stamp:
            with self._path.open("rb") as file:
                text = file.read(MAX_BYTES + 1)
            number = int.from_bytes(hashlib.sha256(text).digest()[:4]) >> 1
            self._revision = Revision(number, text, "json" if self._path.suffix == ".json" else "yaml")
            self._stamp = stamp
        return self._revision


class LiveCatalog:
    """Holds the snapshot in force. Open it with `open`, keep it fresh with `run`."""

    def __init__(
        self,
        loaded: LoadedCatalog,
        *,
        source: Source,
        env: Mapping[str, str],
        secret_key: bytes,
        clock: Clock,
        log: FilteringBoundLogger,
        earlier: Earlier = nothing_earlier,
    ) -> None:
        self._loaded = loaded
        self._earlier = earlier
        self._former: dict[int, Catalog] = {}
        self._together: dict[int, Catalog] = {}
        self._seen = loaded.catalog.revision
        self._source = source
        self._env = env
        self._secret_key = secret_key
        self._clock = clock
        self._log = log
        self._reachable = True
        self._refreshing = asyncio.Lock()

    @classmethod
    async def open(
        cls,
        source: Source,
        *,
        env: Mapping[str, str],
        secret_key: bytes,
        clock: Clock,
        log: FilteringBoundLogger,
        earlier: Earlier = nothing_earlier,
    ) -> "LiveCatalog":
        """The catalog of `source`.

        Raises:
            CatalogInvalid: there is none, or it cannot be used.
            OSError, GatewayError: the source cannot be reached.
        """
        revision = await source()
        if revision is None:
            raise CatalogInvalid([Finding("", None, "there is no catalog")])
        loaded = _load(revision, env, secret_key)
        return cls(loaded, source=source, env=env, secret_key=secret_key, clock=clock, log=log, earlier=earlier)

    @property
    def current(self) -> Catalog:
        """The snapshot in force. Take it once per request: it never changes, but the next one may be another."""
        return self._loaded.catalog

    @property
    def loaded(self) -> LoadedCatalog:
        """The snapshot in force with its document and warnings."""
        return self._loaded

    async def admitting(self, number: int) -> Catalog:
        """The catalog for work that revision `number` admitted: the one in force, and what only that revision has.

        So a model that was taken away is still drawn for whoever has ordered it, and a vendor that was taken away is
        still asked for what it has accepted. Where that revision is not kept, it is the one in force.
        """
        current = self.current
        if number == current.revision:
            return current
        if number not in self._together:
            former = self._former.get(number) or await self._load_former(number)
            if former is None:
                return current
            self._together[number] = together(current, former)
            _forget_oldest(self._together)
        return self._together[number]

    async def refresh(self) -> bool:
        """Takes over a newer revision now, if there is one that is valid; answers whether it did.

        A broken revision is logged once, and the old snapshot stays. Raises: OSError, GatewayError.
        """
        async with self._refreshing:
            revision = await self._source()
            if revision is None or revision.number == self._seen:
                return False
            self._seen = revision.number
            return self._take_over(revision)

    async def run(self) -> None:
        """Refreshes on the clock until cancelled. A source that cannot be reached is logged once, and asked again."""
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                await self.refresh()
                self._reachable = True
            except (OSError, GatewayError) as error:
                if self._reachable:
                    self._log.error("catalog_source_unreachable", error=str(error))
                self._reachable = False

    async def _load_former(self, number: int) -> Catalog | None:
        try:
            revision = await self._earlier(number)
            return None if revision is None else _load(revision, self._env, self._secret_key).catalog
        except (CatalogInvalid, GatewayError) as error:
            self._log.warning("catalog_former_unreadable", revision=number, error=str(error))
            return None

    def _take_over(self, revision: Revision) -> bool:
        former = self.current
        try:
            self._loaded = _load(revision, self._env, self._secret_key)
        except CatalogInvalid as error:
            self._log.error("catalog_refused", revision=revision.number, errors=[str(item) for item in error.errors])
            return False
        self._former[former.revision] = former
        _forget_oldest(self._former)
        self._together.clear()
        warnings = [str(item) for item in self._loaded.warnings]
        self._log.info("catalog_replaced", revision=revision.number, warnings=warnings)
        return True


def together(current: Catalog, former: Catalog) -> Catalog:
    """The current catalog with the vendors and models that only the former has; its targets ask vendors as they are."""
    vendors = {**former.vendors, **current.vendors}
    gone = {
        name: replace(model, targets=tuple(replace(one, vendor=vendors[one.vendor.name]) for one in model.targets))
        for name, model in former.models.items()
        if name not in current.models
    }
    if not gone and len(vendors) == len(current.vendors):
        return current
    return Catalog(
        revision=current.revision,
        currency=current.currency,
        vendors=vendors,
        models={**gone, **current.models},
        families=current.families,
    )


def _forget_oldest(kept: dict[int, Catalog]) -> None:
    while len(kept) > KEPT:
        del kept[next(iter(kept))]


def _load(revision: Revision, env: Mapping[str, str], secret_key: bytes) -> LoadedCatalog:
    return load(revision.text, format=revision.format, env=env, secret_key=secret_key, revision=revision.number)
