"""The catalog in force: one immutable snapshot, replaced whole when its source has a newer one that is valid."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
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
    ) -> None:
        self._loaded = loaded
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
        cls, source: Source, *, env: Mapping[str, str], secret_key: bytes, clock: Clock, log: FilteringBoundLogger
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
        return cls(loaded, source=source, env=env, secret_key=secret_key, clock=clock, log=log)

    @property
    def current(self) -> Catalog:
        """The snapshot in force. Take it once per request: it never changes, but the next one may be another."""
        return self._loaded.catalog

    @property
    def loaded(self) -> LoadedCatalog:
        """The snapshot in force with its document and warnings."""
        return self._loaded

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

    def _take_over(self, revision: Revision) -> bool:
        try:
            self._loaded = _load(revision, self._env, self._secret_key)
        except CatalogInvalid as error:
            self._log.error("catalog_refused", revision=revision.number, errors=[str(item) for item in error.errors])
            return False
        warnings = [str(item) for item in self._loaded.warnings]
        self._log.info("catalog_replaced", revision=revision.number, warnings=warnings)
        return True


def _load(revision: Revision, env: Mapping[str, str], secret_key: bytes) -> LoadedCatalog:
    return load(revision.text, format=revision.format, env=env, secret_key=secret_key, revision=revision.number)
