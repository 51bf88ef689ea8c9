"""Stored pictures as objects in an S3-compatible bucket, for several replicas. Needs the extra `s3`.

Pictures pass through in pieces, up and down: what is in memory does not depend on how large they are.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Self
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, S3Store

from app.core.clock import Clock
from app.core.media import Blob, Stored, sniff
from app.media.names import checked, is_ours, not_found, unavailable
from app.media.spool import Spool

if TYPE_CHECKING:
    from obstore import GetOptions  # these are there for type checkers only
    from obstore.store import S3Config

CHUNK_BYTES: Final = 256 * 1024
PART_BYTES: Final = 5 * 1024 * 1024
"""S3 takes no smaller parts, but for the last one."""
PUTS_AT_ONCE: Final = 4
"""Each has one part in memory: with 16 pictures of 12 MB the process grew by 55 MB instead of 201 (November 2026)."""
LIST_PAGE: Final = 1000
_VARIABLES: Final[tuple[tuple[Literal["access_key_id", "secret_access_key", "session_token", "region"], str], ...]] = (
    ("access_key_id", "AWS_ACCESS_KEY_ID"),
    ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("session_token", "AWS_SESSION_TOKEN"),
    ("region", "AWS_DEFAULT_REGION"),
    ("region", "AWS_REGION"),
)
_PROBE: Final = "probe"
PROVEN_S: Final = 5.0
"""For so long after a successful put the bucket is taken to be writable; a put that fails ends it at once."""
_FAILURES: Final = (BaseError, OSError)


class S3MediaStore:
    """A MediaStore in a bucket. A put returns once the bucket has the object, whole; nobody ever sees a half."""

    def __init__(self, store: ObjectStore, *, spool: Spool, clock: Clock, signing: S3Store | None = None) -> None:
        """`store`: the bucket, with the prefix under which pictures live; `spool`: where they are brought to when they
        are needed here. `signing`: the same, under the name by which clients reach it; None: they do not.
        """
        self._store = store
        self._signing = signing
        self._spool = spool
        self._clock = clock
        self._turns = asyncio.Semaphore(PUTS_AT_ONCE)
        self._checking = asyncio.Lock()
        self._proven_until = -math.inf

    @classmethod
    def at(
        cls,
        url: str,
        *,
        spool: Spool,
        clock: Clock,
        endpoint: str | None = None,
        env: Mapping[str, str] | None = None,
        presigned: bool = False,
        public_endpoint: str | None = None,
    ) -> Self:
        """The bucket behind `s3://bucket/prefix`, with `spool` as for the class.

        Credentials and region come from the usual AWS variables of the process; those in `env` (which knows `.env`
        too) go before them. `endpoint`: another service that speaks S3 (`MEDIA_S3_ENDPOINT`). `presigned`: clients may
        be sent there, or to `public_endpoint` where that is its name for them.

        Raises: ValueError for another kind of URL.
        """
        signing = _bucket(url, public_endpoint or endpoint, env or {}) if presigned else None
        return cls(_bucket(url, endpoint, env or {}), spool=spool, clock=clock, signing=signing)

    async def put(self, name: str, blob: Blob) -> None:
        """Stores durably. Raises: Overloaded (storage_unavailable)."""
        content = blob.data if blob.path is None else blob.path
        assert content is not None, "a blob is in a file or in memory"
        try:
            async with self._turns:
                await obstore.put_async(
                    self._store,
                    checked(name),
                    content,
                    attributes=_told(name, blob),
                    chunk_size=PART_BYTES,
                    max_concurrency=1,
                )
        except _FAILURES as error:
            self._proven_until = -math.inf
            raise unavailable() from error
        self._proven_until = self._clock.monotonic() + PROVEN_S

    async def blob(self, name: str, *, sha256: str) -> Blob:
        """The stored bytes in a file here, which is deleted when nothing holds the blob any more.

        Raises: NotFound (media_not_found); Overloaded (storage_unavailable), also when they are not those of `sha256`.
        """
        folder = self._spool.folder()
        try:
            sink = folder.open_sink()
            async for chunk in self.read(name):
                sink.write(chunk)
            blob = sink.close()
            if blob.sha256 != sha256:
                raise unavailable()
        except BaseException:
            await folder.release()
            raise
        folder.release_with(blob)
        return blob

    async def read(self, name: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start`, `length` of them or all, in chunks.

        Raises: NotFound (media_not_found), Overloaded (storage_unavailable).
        """
        if length == 0:
            return
        wanted: GetOptions = {"range": {"offset": start} if length is None else (start, start + length)}
        try:
            answer = await obstore.get_async(self._store, checked(name), options=wanted)
            async for chunk in answer.stream(min_chunk_size=CHUNK_BYTES):
                yield bytes(chunk)
        except FileNotFoundError as error:
            raise not_found() from error
        except _FAILURES as error:
            raise unavailable() from error

    async def address(self, name: str, *, seconds: float) -> str | None:
        """A presigned URL, good for a GET that begins within `seconds`; None where clients are not sent to the bucket.

        Raises: NotFound (media_not_found): no name of ours; Overloaded (storage_unavailable): nothing can be signed.
        """
        if self._signing is None:
            return None
        try:
            return await obstore.sign_async(self._signing, "GET", checked(name), timedelta(seconds=seconds))
        except _FAILURES as error:
            raise unavailable() from error

    async def delete(self, name: str) -> None:
        """Erases; a missing name is no error. Raises: Overloaded (storage_unavailable)."""
        try:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, checked(name))
        except _FAILURES as error:
            raise unavailable() from error

    async def stored(self) -> AsyncIterator[Sequence[Stored]]:
        """Every picture below the prefix, a thousand at a time. Raises: Overloaded (storage_unavailable)."""
        try:
            async for page in obstore.list(self._store, chunk_size=LIST_PAGE):
                yield [
                    Stored(found["path"], found["last_modified"].timestamp())
                    for found in page
                    if is_ours(found["path"])
                ]
        except _FAILURES as error:
            raise unavailable() from error

    async def check(self) -> None:
        """Writes one byte, unless something was written a moment ago: a bucket bills each object that is put.

        Raises: Overloaded (storage_unavailable) when the bucket is gone or does not take it.
        """
        async with self._checking:
            if self._clock.monotonic() < self._proven_until:
                return
            try:
                await obstore.put_async(self._store, _PROBE, b"\0")
            except _FAILURES as error:
                raise unavailable() from error
            self._proven_until = self._clock.monotonic() + PROVEN_S


def _bucket(url: str, endpoint: str | None, env: Mapping[str, str]) -> S3Store:
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError("the media URL must look like s3://bucket/prefix")
    config: S3Config = {}
    for field, variable in _VARIABLES:
        if value := env.get(variable):
            config[field] = value
    if endpoint is not None:
        config["endpoint"] = endpoint
    return S3Store(
        parts.netloc,
        prefix=parts.path.strip("/") or None,
        client_options={
            "allow_http": endpoint is not None and endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=60),
        },
        retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=30)},
        config=config,
    )


def _told(name: str, blob: Blob) -> dict[str, str]:
    """What the bucket says of a picture to whom it gives it: as much of what we would say as it can."""
    return {
        "Content-Type": sniff(blob.head) or "application/octet-stream",
        "Content-Disposition": f'inline; filename="{name}"',
        "Cache-Control": "private, max-age=3600, immutable",
    }
