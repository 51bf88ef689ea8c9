"""Lifts long base64 pictures out of a JSON or SSE byte stream while it arrives: only the small rest is ever parsed.

It knows no JSON: a picture is a long run of base64 characters after `;base64,`, or one that begins a string and has a
picture's signature (`blob_run.py`). Everything else stays in the document byte for byte.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import pybase64

from app.core.media import HEAD_BYTES, Blob, Blobs
from app.wire.base64_text import Base64Decoder, BlobSink, BlobTooLarge, InvalidBase64, LiftError
from app.wire.blob_run import RunReader, RunStart, find_run

__all__ = [
    "BlobSink",
    "BlobTooLarge",
    "DocumentTooLarge",
    "InvalidBase64",
    "LiftError",
    "Lifter",
    "SpoolSink",
    "TooManyBlobs",
    "TruncatedBlob",
    "encode_chunks",
]


class DocumentTooLarge(LiftError):
    """What stays of the document once its pictures are lifted is larger than allowed."""


class TooManyBlobs(LiftError):
    """The document has more pictures than allowed."""


class TruncatedBlob(LiftError):
    """The stream ended inside a picture."""


class SpoolSink:
    """Writes a picture to a new file in `directory`, hashing it on the way. Once closed, the file is the caller's."""

    def __init__(self, directory: Path) -> None:
        handle, name = tempfile.mkstemp(prefix="blob-", dir=directory)
        self._path = Path(name)
        self._file = os.fdopen(handle, "wb")
        self._hash = hashlib.sha256()
        self._head = b""
        self._size_bytes = 0
        self._is_given_away = False

    def write(self, data: bytes) -> None:
        """Appends; raises OSError, as when the disk is full."""
        self._file.write(data)
        self._hash.update(data)
        self._size_bytes += len(data)
        if len(self._head) < HEAD_BYTES:
            self._head += data[: HEAD_BYTES - len(self._head)]

    def close(self) -> Blob:
        """The file as a blob; raises OSError. It is not fsynced: this is a spool, not the media store."""
        self._file.close()
        self._is_given_away = True
        return Blob(self._size_bytes, self._hash.hexdigest(), self._head, path=self._path)

    def abort(self) -> None:
        """Removes the file, unless it was closed and so given away."""
        if not self._is_given_away:
            self._path.unlink(missing_ok=True)
            self._file.close()


class Lifter:
    """Takes a document's bytes in and gives them out with a placeholder for each long picture.

    A placeholder is `blob:{nonce}:{index}`: neither base64 nor JSON syntax, so it fits wherever the picture's text was,
    and who does not know the document's nonce cannot forge one. `blobs` has the pictures completed so far. An error
    aborts the picture being written; those completed before are the caller's to remove, as after success.
    """

    def __init__(
        self,
        open_sink: Callable[[], BlobSink],
        nonce: str,
        *,
        max_document_bytes: int,
        max_blob_bytes: int,
        max_blobs: int,
    ) -> None:
        self._open_sink = open_sink
        self._nonce = nonce
        self._max_document_bytes = max_document_bytes
        self._max_blob_bytes = max_blob_bytes
        self._max_blobs = max_blobs
        self._document_bytes = 0
        self._held = b""
        self._run: _Run | None = None
        self._lifted: dict[str, Blob] = {}
        self.blobs: Final = Blobs(self._lifted)

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes of the document; none while a picture goes by.

        Raises InvalidBase64, BlobTooLarge, TooManyBlobs, DocumentTooLarge, and OSError from the sink.
        """
        buffer, self._held = self._held + chunk if self._held else chunk, b""
        document: list[bytes] = []
        position: int | None = 0
        try:
            while position is not None:
                step = self._copy if self._run is None else self._lift
                position = step(buffer, position, document)
            return self._within_limit(b"".join(document))
        except (LiftError, OSError):
            self.abort()
            raise

    def close(self) -> bytes:
        """The last bytes of the document; raises TruncatedBlob when it ended inside a picture, and DocumentTooLarge."""
        if self._run is not None:
            self.abort()
            raise TruncatedBlob("the stream ended inside a picture")
        rest, self._held = self._held, b""
        return self._within_limit(rest)

    def abort(self) -> None:
        """Gives up the picture being written, if there is one: for a stream that will not be read to its end."""
        if self._run is not None:
            self._run.sink.abort()
            self._run = None

    def _copy(self, buffer: bytes, position: int, document: list[bytes]) -> int | None:
        """Outside of a picture: copies up to the next one. Returns where it begins; None: more bytes are needed."""
        end, start = find_run(buffer, position)
        document.append(buffer[position:end])
        if start is None:
            self._held = buffer[end:]
            return None
        if len(self._lifted) == self._max_blobs:
            raise TooManyBlobs(f"the document has more than {self._max_blobs} pictures")
        self._run = _Run(self._open_sink(), start, max_bytes=self._max_blob_bytes)
        return end

    def _lift(self, buffer: bytes, position: int, document: list[bytes]) -> int | None:
        """Inside a picture: decodes it. Returns where it ends; None: more bytes are needed."""
        assert self._run is not None
        position = self._run.reader.read(buffer, position)
        if not self._run.reader.is_over:
            self._held = buffer[position:]
            return None
        placeholder = f"blob:{self._nonce}:{len(self._lifted)}"
        self._lifted[placeholder] = self._run.decoder.finish()
        self._run = None
        document.append(placeholder.encode())
        return position

    def _within_limit(self, document: bytes) -> bytes:
        self._document_bytes += len(document)
        if self._document_bytes > self._max_document_bytes:
            raise DocumentTooLarge(f"the document without its pictures is larger than {self._max_document_bytes} bytes")
        return document


class _Run:
    """A picture while it is lifted."""

    def __init__(self, sink: BlobSink, start: RunStart, *, max_bytes: int) -> None:
        self.sink = sink
        self.decoder = Base64Decoder(sink, max_bytes=max_bytes)
        self.reader = RunReader(self.decoder, start)


def encode_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The base64 text of some bytes, in pieces as large as theirs: what is sent instead of a BlobText."""
    rest = b""
    for chunk in chunks:
        data = rest + chunk
        whole = len(data) - len(data) % 3
        rest = data[whole:]
        if whole:
            yield pybase64.b64encode(data[:whole])
    if rest:
        yield pybase64.b64encode(rest)
