"""One long base64 text, decoded piece by piece into a sink, and what may be wrong with it.

It knows nothing of the document around the text.
"""

from typing import Final, Protocol

import pybase64

from app.core.media import Blob

_ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")


class LiftError(Exception):
    """A document's pictures cannot be lifted. Whose fault that is, a vendor's or a client's, the caller knows."""


class InvalidBase64(LiftError):
    """The text of a picture is not base64."""


class BlobTooLarge(LiftError):
    """A picture has more bytes than allowed."""


class BlobSink(Protocol):
    """Where one picture's bytes go while they arrive."""

    def write(self, data: bytes) -> None:
        """Takes the next bytes."""

    def close(self) -> Blob:
        """Ends the picture; the blob refers to what was written."""

    def abort(self) -> None:
        """Gives the picture up and leaves nothing behind."""


class Base64Decoder:
    """Decodes the characters of one picture as they come; holds no more than the piece it was given.

    Both alphabets are taken, padding may be missing but not wrong (wire-facts section 5, row 13).
    """

    def __init__(self, sink: BlobSink, *, max_bytes: int) -> None:
        self._sink = sink
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._rest = b""  # Up to three characters that wait for the others of their group of four.
        self._padding = 0
        self._is_urlsafe = False

    @property
    def is_padded(self) -> bool:
        """Whether padding was seen, after which no more characters may come."""
        return self._padding > 0

    @property
    def is_whole(self) -> bool:
        """Whether the characters so far are whole groups of four, so that the text may be at its end."""
        return not self._rest

    def write(self, chars: bytes) -> bool:
        """Decodes characters; False, and nothing is taken, when there is one among them that is not base64's.

        Raises InvalidBase64 after padding, BlobTooLarge past the limit.
        """
        if self._padding:
            raise InvalidBase64("base64 goes on after its padding")
        if self._rest:
            chars = self._rest + chars
        whole = len(chars) & ~3
        rest = chars[whole:]
        data = None if rest.strip(_ALPHABET) else self._decode(chars[:whole])
        if data is None:
            return False
        self._rest = rest
        self._emit(data)
        return True

    def pad(self) -> None:
        """Takes one `=`; raises InvalidBase64 where there can be none."""
        self._padding += 1
        if len(self._rest) < 2 or len(self._rest) + self._padding > 4:
            raise InvalidBase64("base64 is padded wrongly")

    def finish(self) -> Blob:
        """Ends the text; raises InvalidBase64 when it ends inside a byte."""
        if len(self._rest) == 1:
            raise InvalidBase64("base64 ends inside a byte")
        if self._rest:
            self._emit(pybase64.b64decode(self._rest.translate(_TO_STANDARD) + b"=" * (4 - len(self._rest))))
        return self._sink.close()

    def _decode(self, chars: bytes) -> bytes | None:
        try:
            return pybase64.b64decode(chars.translate(_TO_STANDARD) if self._is_urlsafe else chars, validate=True)
        except ValueError:
            if self._is_urlsafe or (b"-" not in chars and b"_" not in chars):
                return None
        self._is_urlsafe = True  # From here on every piece is translated, which leaves the standard alphabet as it is.
        return self._decode(chars)

    def _emit(self, data: bytes) -> None:
        self._size_bytes += len(data)
        if self._size_bytes > self._max_bytes:
            raise BlobTooLarge(f"a picture is larger than {self._max_bytes} bytes")
        self._sink.write(data)
