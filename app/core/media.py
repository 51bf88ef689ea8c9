"""Bytes by reference: where a picture's bytes are, what they are by their signature, and how base64 text is read.

Bytes themselves live in files; what travels through the waist is a Blob.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import pybase64

HEAD_BYTES: Final = 64
"""How many first bytes a Blob carries: enough for every signature in `sniff`."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Blob:
    """Some bytes: in a file (`path`) or, when short, in memory (`data`). `head` is their beginning, for sniffing.

    A file may be there only as long as its blob is: hold on to the blob, not to its path.
    """

    size_bytes: int
    sha256: str
    head: bytes
    path: Path | None = None
    data: bytes | None = None

    @classmethod
    def of(cls, data: bytes) -> "Blob":
        """A blob held in memory; for bytes that are known to be few."""
        return cls(len(data), hashlib.sha256(data).hexdigest(), data[:HEAD_BYTES], data=data)


@dataclass(frozen=True, slots=True)
class BlobText:
    """A string inside a JSON document to send: `prefix` and then the blob's base64, encoded while it is sent."""

    blob: Blob
    prefix: str = ""


_SIGNATURES: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (8, b"WEBP", "image/webp"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypavis", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypheix", "image/heic"),
    (4, b"ftypmif1", "image/heic"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
)

PICTURES: Final = frozenset({"image/png", "image/jpeg", "image/webp", "image/gif"})
"""What we read, store and serve; everything else is recognised only to be refused by name."""

EXTENSIONS: Final[Mapping[str, str]] = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
}


def sniff(head: bytes) -> str | None:
    """The media type by signature, whatever was declared; None when it is no picture we know.

    `head` is the first 64 bytes or more. SVG is told by its first tag, since it is text.
    """
    for offset, magic, mime in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic and (mime != "image/webp" or head[:4] == b"RIFF"):
            return mime
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if start[:4].lower() == b"<svg" or (start[:5] == b"<?xml" and b"<svg" in head):
        return "image/svg+xml"
    return None


_DATA_PREFIXES = re.compile(
    r"(?:\s*data:(?:[\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,)++",  # all at once: a million stay linear
    re.IGNORECASE,
)
_WHITESPACE = re.compile(r"\s+")
_URLSAFE = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes | None:
    """The bytes of a base64 field as clients and vendors write it, or None when it is not base64.

    Tolerated because seen (wire-facts section 5, rows 12 and 13): `data:` prefixes, even doubled, whitespace, the URL-
    safe alphabet and missing padding. Nothing else is.
    """
    if match := _DATA_PREFIXES.match(text):
        text = text[match.end() :]
    text = _WHITESPACE.sub("", text).translate(_URLSAFE).rstrip("=")
    if not text or len(text) % 4 == 1:
        return None
    try:
        return pybase64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        return None


class Blobs:
    """The pictures lifted out of one document, by placeholder."""

    def __init__(self, lifted: Mapping[str, Blob] | None = None) -> None:
        self._lifted: Mapping[str, Blob] = {} if lifted is None else lifted

    def __len__(self) -> int:
        return len(self._lifted)

    def digested(self, document: bytes) -> bytes:
        """The document with each picture's SHA-256 in the place of its placeholder: the same for the same content."""
        for placeholder, blob in self._lifted.items():
            document = document.replace(placeholder.encode(), b"sha256:" + blob.sha256.encode())
        return document

    def decode(self, text: str) -> Blob | None:
        """The bytes behind a base64 field: a lifted picture's placeholder, or short literal base64; else None."""
        if match := _DATA_PREFIXES.match(text):
            text = text[match.end() :]
        if (blob := self._lifted.get(text.strip())) is not None:
            return blob
        data = decode_base64(text)
        return None if data is None else Blob.of(data)


@dataclass(frozen=True, slots=True)
class Stored:
    """A stored picture as its store lists it. `at`: when it was stored, in unix seconds by the store's clock."""

    name: str
    at: float


class MediaStore(Protocol):
    """Where stored pictures live: a directory, or a bucket. Names are media ids with their extension, never a client's
    words.
    """

    async def put(self, name: str, blob: Blob) -> None:
        """Stores the bytes durably: when it returns they survive a crash. Raises: Overloaded (storage_unavailable)."""
        ...

    async def blob(self, name: str, *, sha256: str) -> Blob:
        """The stored bytes as a blob in a file here. `sha256`: theirs, from when they were stored: hashing a picture
        again would take longer than sending it. Raises: NotFound (media_not_found), Overloaded (storage_unavailable).
        """
        ...

    def read(self, name: str, *, start: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """The stored bytes in chunks, from `start`. Raises: NotFound (media_not_found)."""
        ...

    async def address(self, name: str, *, seconds: float) -> str | None:
        """Where a GET brings the bytes without us, for so long; None: nowhere else. Raises: NotFound, Overloaded."""
        ...

    async def delete(self, name: str) -> None:
        """Erases; a missing name is no error."""
        ...

    def stored(self) -> AsyncIterator[Sequence[Stored]]:
        """Everything that is stored, in parts, in no order. Raises: Overloaded (storage_unavailable)."""
        ...

    async def check(self) -> None:
        """Raises: Overloaded (storage_unavailable) when pictures could not be stored now (gone, read-only, disk nearly
        full).
        """
        ...
