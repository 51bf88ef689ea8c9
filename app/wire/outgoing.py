"""JSON documents on their way out: everything is encoded here but pictures, which stay blobs until they are sent.

So that a picture is never in memory as base64. Reading the blobs is the sender's work.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from app.core.exchange import Json
from app.core.media import Blob, BlobText

Segment = bytes | Blob
"""A part of a document: bytes to send as they are, or a blob to send as base64."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A string in a document to send that is made of texts and pictures, such as Markdown around data URIs."""

    parts: tuple[str | BlobText, ...]


def encode(document: Json) -> list[Segment]:
    """The document as segments, in order: joined, with every blob as its base64, they are its JSON.

    Raises:
        TypeError: something in the document is neither JSON nor BlobText nor Joined.
    """
    blobs: list[Blob] = []

    def leave_out(value: object) -> orjson.Fragment:
        match value:
            case BlobText():
                return orjson.Fragment(b'"' + _hole(value, blobs) + b'"')
            case Joined(parts):
                return orjson.Fragment(b'"' + b"".join(_hole(part, blobs) for part in parts) + b'"')
            case _:
                raise TypeError(f"{type(value).__name__} is not JSON")

    text = orjson.dumps(document, default=leave_out, option=orjson.OPT_PASSTHROUGH_DATACLASS)
    # A hole is a NUL byte: JSON text escapes control characters, so there is no other.
    pieces = text.split(b"\0")
    segments: list[Segment] = [pieces[0]]
    for blob, piece in zip(blobs, pieces[1:], strict=True):
        segments += (blob, piece)
    return segments


def length(segments: Iterable[Segment]) -> int:
    """How many bytes the segments are once sent: their Content-Length."""
    return sum(len(part) if isinstance(part, bytes) else -(-part.size_bytes // 3) * 4 for part in segments)


def _hole(part: str | BlobText, blobs: list[Blob]) -> bytes:
    if isinstance(part, str):
        return _quoted(part)
    blobs.append(part.blob)
    return _quoted(part.prefix) + b"\0"


def _quoted(text: str) -> bytes:
    return orjson.dumps(text)[1:-1]
