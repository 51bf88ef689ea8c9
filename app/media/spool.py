"""Bytes on their way: one folder per request, gone when the request is done. Nothing here survives a restart."""

import asyncio
import secrets
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from app.core.media import Blob
from app.media.names import unavailable
from app.wire.blobs import BlobSink, SpoolSink


class Spool:
    """A process's own directory of request folders (see `own_directory`); on the media store's file system, storing a
    picture copies nothing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def prepare(self) -> None:
        """To call once at start: makes the directory if need be. Raises: Overloaded (storage_unavailable)."""
        try:
            await asyncio.to_thread(self._directory.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable() from error

    def folder(self) -> "SpoolFolder":
        """Where one request's bytes go: `async with spool.folder() as folder`, or `folder.release()` when done."""
        return SpoolFolder(self._directory / secrets.token_hex(16))

    async def usage(self) -> tuple[int, int]:
        """Bytes that are spooled now, and bytes free on that disk. Raises: Overloaded (storage_unavailable)."""
        try:
            return await asyncio.to_thread(self._usage)
        except OSError as error:
            raise unavailable() from error

    def _usage(self) -> tuple[int, int]:
        used = 0
        for path in self._directory.rglob("*"):
            with suppress(FileNotFoundError):  # it was done with meanwhile
                used += path.stat().st_size if path.is_file() else 0
        return used, shutil.disk_usage(self._directory).free


class SpoolFolder:
    """One request's spooled bytes. The folder is made when it is first needed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._made = False
        self._sinks: list[BlobSink] = []

    def open_sink(self) -> BlobSink:
        """A new file to write to. It and its sink raise: Overloaded (storage_unavailable)."""
        try:
            if not self._made:
                self._path.mkdir()
                self._made = True
            sink = _FolderSink(SpoolSink(self._path))
        except OSError as error:
            raise unavailable() from error
        self._sinks.append(sink)
        return sink

    async def release(self) -> None:
        """Deletes what was spooled here, half-written files as well; blobs that point here are void. Safe to repeat."""
        if self._made:
            self._made = False
            await asyncio.to_thread(self._delete)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()

    def _delete(self) -> None:
        for sink in self._sinks:
            sink.abort()
        shutil.rmtree(self._path, ignore_errors=True)


class _FolderSink:
    """A SpoolSink whose disk troubles are told in the gateway's words (fault-cases H97)."""

    def __init__(self, sink: SpoolSink) -> None:
        self._sink = sink

    def write(self, data: bytes) -> None:
        try:
            self._sink.write(data)
        except OSError as error:
            raise unavailable() from error

    def close(self) -> Blob:
        try:
            return self._sink.close()
        except OSError as error:
            raise unavailable() from error

    def abort(self) -> None:
        with suppress(OSError):  # what stays goes with the folder
            self._sink.abort()
