"""Reads blobs piece by piece while they are sent: raw, or as the base64 inside a document."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from app.core.media import Blob
from app.wire.blobs import encode_chunks
from app.wire.outgoing import Segment

READ_BYTES: Final = 192 * 1024
"""A multiple of 3, so that each piece encodes without a remainder; large enough to keep system calls few."""


def read(blob: Blob) -> Iterator[bytes]:
    """The blob's bytes in pieces."""
    if blob.data is not None:
        yield blob.data
        return
    assert blob.path is not None, "a blob is in memory or in a file"
    with blob.path.open("rb") as file:
        while piece := file.read(READ_BYTES):
            yield piece


def pieces(segments: Iterable[Segment]) -> Iterator[bytes]:
    """A document's segments as they go over the wire."""
    for segment in segments:
        if isinstance(segment, bytes):
            yield segment
        else:
            yield from encode_chunks(read(segment))


async def in_turn(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    """The parts, for what wants them asynchronously. Reading a page-cached file takes less time than a thread hop."""
    for part in parts:
        yield part
