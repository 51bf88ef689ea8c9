"""Reads a multipart/form-data body while it arrives: files go to sinks, texts stay, and everything has a limit.

The framing is python-multipart's; what is added is that nothing is trusted (fault-cases B29, B31).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.core.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from app.core.exchange import FilePart
from app.core.media import Blobs
from app.wire.base64_text import BlobSink, BlobTooLarge, LiftError
from app.wire.blobs import DocumentTooLarge, Lifter

BOUNDARY_CHARS_MAX: Final = 70
"""RFC 2046, section 5.1.1."""
NAME_CHARS_MAX: Final = 255

_PLAIN_ENCODINGS = (b"", b"7bit", b"8bit", b"binary")


@dataclass(frozen=True, slots=True)
class FormLimits:
    """How much of a form is taken: `text_bytes` are all text fields together, pictures in them not counted."""

    files: int = 17
    file_bytes: int = 20 * 2**20
    fields: int = 64
    text_bytes: int = 2**20


@dataclass(frozen=True, slots=True)
class Form:
    """A form as received. Long base64 in text fields is lifted into `blobs`, as in a JSON body."""

    fields: tuple[tuple[str, str], ...]
    files: tuple[FilePart, ...]
    blobs: Blobs


def boundary_of(content_type: str) -> bytes:
    """The boundary that a Content-Type tells.

    Raises:
        UnsupportedMediaType: it is not multipart/form-data.
        InvalidRequest: it has no usable boundary.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data":
        raise UnsupportedMediaType("Send the form as Content-Type: multipart/form-data.")
    boundary = options.get(b"boundary", b"")
    if not 1 <= len(boundary) <= BOUNDARY_CHARS_MAX:
        raise InvalidRequest(f"The form's boundary must have from 1 to {BOUNDARY_CHARS_MAX} characters.")
    return boundary


class FormReader:
    """Takes a form's bytes in; `close` gives the form. After an error, `abort` removes the file being written."""

    def __init__(self, boundary: bytes, open_sink: Callable[[], BlobSink], nonce: str, limits: FormLimits) -> None:
        self._open_sink = open_sink
        self._limits = limits
        self._lifter = Lifter(
            open_sink,
            nonce,
            max_document_bytes=limits.text_bytes,
            max_blob_bytes=limits.file_bytes,
            max_blobs=limits.files,
        )
        self._headers: dict[bytes, bytes] = {}
        self._header = (bytearray(), bytearray())
        self._names: list[str] = []
        self._texts = bytearray()
        self._files: list[FilePart] = []
        self._upload: _Upload | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._headers.clear,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_part,
                "on_part_data": self._take,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes.

        Raises:
            InvalidRequest: this is no form, or it has too many parts.
            RequestTooLarge: a file, or the texts together, are larger than allowed.
            OSError, Overloaded: from the sink.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("The form cannot be read.") from error
        except (BlobTooLarge, DocumentTooLarge) as error:
            raise RequestTooLarge("A field of the form is too large.") from error
        except LiftError as error:
            raise InvalidRequest("A base64 image in the form cannot be decoded.", code="invalid_image") from error

    def close(self) -> Form:
        """The whole form. Raises: InvalidRequest when it has not ended, or a text is not UTF-8 without NUL."""
        if not self._ended:
            raise InvalidRequest("The form ends before its closing boundary.")
        self._texts += self._lifter.close()
        texts = bytes(self._texts).split(b"\0")[:-1]
        fields = tuple((name, _text(text[1:-1], name)) for name, text in zip(self._names, texts, strict=True))
        return Form(fields, tuple(self._files), self._lifter.blobs)

    def abort(self) -> None:
        """Removes the file that was being written, if any; those completed are the caller's."""
        self._lifter.abort()
        if self._upload is not None:
            self._upload.sink.abort()
            self._upload = None

    def _end_header(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        name.clear()
        value.clear()

    def _begin_part(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = _text(options.get(b"name", b""), "a field's name")
        if kind != b"form-data" or not 1 <= len(name) <= NAME_CHARS_MAX:
            raise InvalidRequest("Every part of the form must be form-data with a name.")
        if self._headers.get(b"content-transfer-encoding", b"").lower() not in _PLAIN_ENCODINGS:
            raise InvalidRequest(f"'{name}' must be sent without a Content-Transfer-Encoding.", param=name)
        if b"filename" in options:
            self._begin_file(name, options[b"filename"])
        else:
            self._begin_text(name)

    def _begin_file(self, name: str, filename: bytes) -> None:
        if len(self._files) >= self._limits.files:
            raise InvalidRequest(f"At most {self._limits.files} files are allowed.", param=name)
        # The file's name is told to nobody and is no path; only whether there is one matters.
        shown = filename.decode("utf-8", "replace")[:NAME_CHARS_MAX]
        mime = self._headers.get(b"content-type", b"application/octet-stream").decode("latin-1")
        self._upload = _Upload(self._open_sink(), name, shown, mime)

    def _begin_text(self, name: str) -> None:
        if len(self._names) >= self._limits.fields:
            raise InvalidRequest(f"At most {self._limits.fields} fields are allowed.", param=name)
        self._names.append(name)
        # Quoted, as in JSON, so that the lifter sees where base64 begins and ends; NUL tells one text from the next.
        self._texts += self._lifter.feed(b'"')

    def _take(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._upload is None:
            if b"\0" in piece:
                raise InvalidRequest(f"'{self._names[-1]}' must not contain NUL.", param=self._names[-1])
            self._texts += self._lifter.feed(piece)
            return
        self._upload.size_bytes += len(piece)
        if self._upload.size_bytes > self._limits.file_bytes:
            name = self._upload.name
            raise RequestTooLarge(f"A file may have at most {self._limits.file_bytes} bytes.", param=name)
        self._upload.sink.write(piece)

    def _end_part(self) -> None:
        if self._upload is None:
            self._texts += self._lifter.feed(b'"\0')
            return
        upload, self._upload = self._upload, None
        self._files.append(FilePart(upload.name, upload.filename, upload.mime, upload.sink.close()))

    def _end(self) -> None:
        self._ended = True


@dataclass(slots=True)
class _Upload:
    """A file while it is received."""

    sink: BlobSink
    name: str
    filename: str
    mime: str
    size_bytes: int = 0


def _text(value: bytes, name: str) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"'{name}' must be UTF-8.", param=name) from error
    if "\0" in text:
        raise InvalidRequest(f"'{name}' must not contain NUL.", param=name)
    return text
