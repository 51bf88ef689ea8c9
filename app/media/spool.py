"""Bytes on their way: one folder per request, gone when the request is done. Nothing here survives a restart."""

import asyncio
import secrets
import shutil
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from app.core.errors import Overloaded
from app.core.media import Blob
from app.media.names import unavailable
from app.wire.blobs import BlobSink, SpoolSink

RETRY_S: Final = 10.0


class Spool:
    """A process's own directory of request folders (see `own_directory`); on the media store's file system, storing a
    picture copies nothing. `bytes`: what is spooled now.
    """

    def __init__(self, directory: Path, *, max_bytes: int) -> None:
        """`max_bytes`: with as much as this spooled, `admit` refuses. What vendors were paid for is always taken."""
        self._directory = directory
        self._max_bytes = max_bytes
        self.bytes = 0

    async def prepare(self) -> None:
        """To call once at start: makes the directory if need be. Raises: Overloaded (storage_unavailable)."""
        try:
            await asyncio.to_thread(self._directory.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable() from error

    @property
    def is_full(self) -> bool:
        """Whether nothing new should be begun here."""
        return self.bytes >= self._max_bytes

    def folder(self) -> "SpoolFolder":
        """Where one request's bytes go: `async with spool.folder() as folder`, or `folder.release()` when done."""
        return SpoolFolder(self._directory / secrets.token_hex(16), self)

    def admit(self) -> "SpoolFolder":
        """As `folder`, for a request that has just come. Raises: Overloaded, before anything of it is read."""
        if self.is_full:
            raise Overloaded("The gateway is busy; try again shortly.", retry_after_s=RETRY_S, should_retry=True)
        return self.folder()

    def grew(self, count: int) -> None:
        """So many bytes were written here; fewer than none: deleted."""
        self.bytes += count

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

    def __init__(self, path: Path, spool: Spool) -> None:
        self._path = path
        self._spool = spool
        self._made = False
        self._bytes = 0
        self._sinks: list[_FolderSink] = []
        self._files: list[BinaryIO] = []

    def open_sink(self) -> BlobSink:
        """A new file for a picture. It and its sink raise: Overloaded (storage_unavailable)."""
        try:
            sink = _FolderSink(SpoolSink(self._directory()), self)
        except OSError as error:
            raise unavailable() from error
        self._sinks.append(sink)
        return sink

    def open_file(self) -> "SpoolFile":
        """A new file for bytes that are nothing in particular. Raises: Overloaded (storage_unavailable)."""
        try:
            path = self._directory() / f"file-{len(self._files)}"
            file = path.open("xb", buffering=0)
        except OSError as error:
            raise unavailable() from error
        self._files.append(file)
        return SpoolFile(path, file, self)

    def grew(self, count: int) -> None:
        """So many bytes were written here."""
        self._bytes += count
        self._spool.grew(count)

    async def release(self) -> None:
        """Deletes what was spooled here, half-written files as well; blobs that point here are void. Safe to repeat."""
        if self._made:
            self._made = False
            self.grew(-self._bytes)
            await asyncio.to_thread(self._delete)

    def release_with(self, blob: Blob) -> None:
        """Leaves the folder to a blob in it: it is released when nothing holds that any more, at once and here."""
        weakref.finalize(blob, self._release_now).atexit = False  # then the process's directory goes

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()

    def _directory(self) -> Path:
        if not self._made:
            self._path.mkdir()
            self._made = True
        return self._path

    def _release_now(self) -> None:
        if self._made:
            self._made = False
            self.grew(-self._bytes)
            self._delete()

    def _delete(self) -> None:
        for sink in self._sinks:
            sink.abort()
        for file in self._files:
            file.close()
        shutil.rmtree(self._path, ignore_errors=True)


class SpoolFile:
    """Bytes in a folder, as they come; not hashed."""

    def __init__(self, path: Path, file: BinaryIO, folder: SpoolFolder) -> None:
        self._path = path
        self._file = file
        self._folder = folder

    def write(self, data: bytes | bytearray) -> None:
        """Appends. Raises: Overloaded (storage_unavailable)."""
        try:
            with memoryview(data) as view:
                written = 0
                while written < len(view):
                    written += self._file.write(view[written:])
        except OSError as error:
            raise unavailable() from error
        self._folder.grew(len(data))

    async def read(self) -> bytes:
        """All of it. Raises: Overloaded (storage_unavailable)."""
        try:
            return await asyncio.to_thread(self._path.read_bytes)
        except OSError as error:
            raise unavailable() from error


class _FolderSink:
    """A SpoolSink that is counted, and whose disk troubles are told in the gateway's words (fault-cases H97)."""

    def __init__(self, sink: SpoolSink, folder: SpoolFolder) -> None:
        self._sink = sink
        self._folder = folder

    def write(self, data: bytes) -> None:
        try:
            self._sink.write(data)
        except OSError as error:
            raise unavailable() from error
        self._folder.grew(len(data))

    def close(self) -> Blob:
        try:
            return self._sink.close()
        except OSError as error:
            raise unavailable() from error

    def abort(self) -> None:
        with suppress(OSError):  # what stays goes with the folder
            self._sink.abort()
