"""Stored pictures as files in one directory: written whole, made durable, then given their name. Not the spool."""

import asyncio
import errno
import hashlib
import io
import os
import secrets
import stat
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from app.core.media import HEAD_BYTES, Blob, Stored
from app.media.names import checked, is_ours, not_found, unavailable

CHUNK_BYTES: Final = 256 * 1024
"""How much of a file one read brings: few thread hops for a picture, little memory for a crowd."""

_SHARDS: Final = tuple(f"{number:02x}" for number in range(256))
_CANNOT_LINK: Final = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES})
_ABSENT: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO})


class LocalMediaStore:
    """A MediaStore in `directory`, spread over 256 shards by the hash of the name.

    A name is checked against one strict pattern before it becomes a path, links are never followed, and a file appears
    under its name only when it is complete on disk (fault-cases E67, H97).
    """

    def __init__(self, directory: Path, *, temporary: Path, min_free_bytes: int) -> None:
        """`temporary`: this process's own directory for what is half written (see `own_directory`), on the same file
        system; `min_free_bytes`: with less room than this, `check` says that pictures cannot be stored.
        """
        self._directory = directory
        self._temporary = temporary
        self._min_free_bytes = min_free_bytes

    async def prepare(self) -> None:
        """To call once at start: makes the directories if need be. Raises: Overloaded (storage_unavailable)."""
        await asyncio.to_thread(self._prepare)

    async def put(self, name: str, blob: Blob) -> None:
        """Stores durably; on return the bytes survive a crash. Raises: Overloaded (storage_unavailable)."""
        await asyncio.to_thread(self._put, self._path(name), blob)

    async def blob(self, name: str, *, sha256: str) -> Blob:
        """The stored file as a blob; `sha256` is taken at its word. Raises: NotFound (media_not_found)."""
        return await asyncio.to_thread(_describe, self._path(name), sha256)

    async def read(self, name: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`, `length` of them or all, in chunks. A file erased meanwhile is still read to its end.

        Raises: NotFound (media_not_found), at the first chunk.
        """
        file = await asyncio.to_thread(_open, self._path(name))
        with file:
            file.seek(start)
            while chunk := await asyncio.to_thread(
                file.read, CHUNK_BYTES if length is None else min(length, CHUNK_BYTES)
            ):
                yield chunk
                length = None if length is None else length - len(chunk)

    async def address(self, name: str, *, seconds: float) -> str | None:
        """None: a directory serves nobody."""
        return None

    async def delete(self, name: str) -> None:
        """Erases; a missing name is no error. Raises: Overloaded (storage_unavailable)."""
        await asyncio.to_thread(_erase, self._path(name))

    async def stored(self) -> AsyncIterator[Sequence[Stored]]:
        """Every picture, one shard after the other. Raises: Overloaded (storage_unavailable)."""
        for shard in _SHARDS:
            if found := await asyncio.to_thread(_list, self._directory / shard):
                yield found

    async def check(self) -> None:
        """Raises: Overloaded (storage_unavailable) when the directory is gone or read-only, or room is short."""
        await asyncio.to_thread(self._check)

    def _path(self, name: str) -> Path:
        return self._directory / hashlib.sha256(checked(name).encode()).hexdigest()[:2] / name

    def _put(self, path: Path, blob: Blob) -> None:
        temporary = self._temporary / secrets.token_hex(16)
        try:
            _write(blob, temporary)
            self._make_shard(path.parent)
            temporary.replace(path)
            _sync_directory(path.parent)
        except OSError as error:
            raise unavailable() from error
        finally:
            _discard(temporary)

    def _make_shard(self, shard: Path) -> None:
        try:
            shard.mkdir()  # without parents: a volume that went away must not be replaced by an empty directory
        except FileExistsError:
            return
        _sync_directory(self._directory)

    def _prepare(self) -> None:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._temporary.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unavailable() from error

    def _check(self) -> None:
        probe = self._temporary / secrets.token_hex(16)
        try:
            room = os.statvfs(self._directory)
            probe.touch(exist_ok=False)
            probe.unlink()
        except OSError as error:
            raise unavailable() from error
        out_of_inodes = room.f_files > 0 and room.f_favail == 0
        if out_of_inodes or room.f_bavail * room.f_frsize < self._min_free_bytes:
            raise unavailable()


def _write(blob: Blob, temporary: Path) -> None:
    """Puts the blob's bytes at `temporary` and makes them durable: a second name for its file, or else a copy."""
    if blob.path is None or not _link(blob.path, temporary):
        with temporary.open("xb") as file:
            if blob.path is None:
                assert blob.data is not None, "a blob is in a file or in memory"
                file.write(blob.data)
            else:
                _copy(blob.path, file)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())


def _link(source: Path, target: Path) -> bool:
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno in _CANNOT_LINK:
            return False
        raise
    return True


def _copy(source: Path, target: BinaryIO) -> None:
    with source.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            target.write(chunk)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open(path: Path) -> io.FileIO:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise not_found() if error.errno in _ABSENT else unavailable() from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise not_found()
    return io.FileIO(descriptor, "rb")


def _describe(path: Path, sha256: str) -> Blob:
    with _open(path) as file:
        return Blob(os.fstat(file.fileno()).st_size, sha256, file.read(HEAD_BYTES), path=path)


def _list(shard: Path) -> list[Stored]:
    try:
        with os.scandir(shard) as entries:
            return [
                Stored(entry.name, entry.stat(follow_symlinks=False).st_mtime)
                for entry in entries
                if is_ours(entry.name) and entry.is_file(follow_symlinks=False)
            ]
    except FileNotFoundError:  # no such shard yet, or a file was erased meanwhile: the next sweep sees the others
        return []
    except OSError as error:
        raise unavailable() from error


def _erase(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise unavailable() from error


def _discard(temporary: Path) -> None:
    """Removes a temporary file whatever state the disk is in; what stays is removed at the next start."""
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return
