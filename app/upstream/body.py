"""A Call's body as bytes to stream: JSON or multipart, pictures read and encoded from files while they are sent."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

from app.core.exchange import Call, Multipart
from app.wire.outgoing import encode, length
from app.wire.sending import in_turn, pieces, read


@dataclass(frozen=True, slots=True)
class Body:
    """A body of known length; `chunks` starts reading it from the beginning."""

    content_type: str
    length: int
    chunks: Callable[[], AsyncIterator[bytes]]


def body_of(call: Call) -> Body | None:
    """The body of a call; None for a call without one."""
    if call.form is not None:
        return _form_body(call.form)
    if call.json is not None:
        segments = encode(call.json)
        return Body("application/json", length(segments), lambda: in_turn(pieces(segments)))
    return None


def _form_body(form: Multipart) -> Body:
    boundary = secrets.token_hex(16)
    fields = b"".join(_field(boundary, name, value) for name, value in form.fields)
    heads = [_file_head(boundary, part.name, part.filename, part.mime) for part in form.files]
    end = f"--{boundary}--\r\n".encode()
    size = (
        len(fields) + len(end) + sum(len(head) + 2 for head in heads) + sum(part.blob.size_bytes for part in form.files)
    )

    def parts() -> Iterator[bytes]:
        yield fields
        for head, part in zip(heads, form.files, strict=True):
            yield head
            yield from read(part.blob)
            yield b"\r\n"
        yield end

    return Body(f"multipart/form-data; boundary={boundary}", size, lambda: in_turn(parts()))


# RFC 7578. Names and file names are the dialects' own, so they hold no quotes.
def _field(boundary: str, name: str, value: str) -> bytes:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def _file_head(boundary: str, name: str, filename: str, mime: str) -> bytes:
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
        f"Content-Type: {mime}\r\n\r\n"
    ).encode()
