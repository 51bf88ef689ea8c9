"""What the tests of lifting share: pictures, a sink in memory, a lifter, and ways to spell base64. No tests."""

import base64
import random
from collections.abc import Callable
from typing import Final

from hypothesis import strategies as st

from app.core.media import Blob
from app.wire.blobs import Lifter

NONCE: Final = "5f3a"
ROOMY: Final = 10_000_000


class MemorySink:
    """Keeps a picture in memory, and remembers how it was treated."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.was_closed = False
        self.was_aborted = False

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def close(self) -> Blob:
        self.was_closed = True
        return Blob.of(b"".join(self.pieces))

    def abort(self) -> None:
        self.was_aborted = True


def picture(seed: int, size_bytes: int = 5_000, signature: bytes = b"\x89PNG\r\n\x1a\n") -> bytes:
    """Bytes that begin like a picture, the same for the same arguments; about 4/3 as long in base64."""
    return signature + random.Random(seed).randbytes(size_bytes - len(signature))


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def lifter(
    sinks: list[MemorySink], *, max_document_bytes: int = ROOMY, max_blob_bytes: int = ROOMY, max_blobs: int = 100
) -> Lifter:
    """A lifter whose sinks are put into `sinks`."""

    def open_sink() -> MemorySink:
        sinks.append(MemorySink())
        return sinks[-1]

    return Lifter(
        open_sink, NONCE, max_document_bytes=max_document_bytes, max_blob_bytes=max_blob_bytes, max_blobs=max_blobs
    )


def lift(document: bytes, *, chunk_bytes: int = ROOMY) -> tuple[bytes, list[bytes]]:
    """The document without its pictures, and their bytes in order."""
    lifting = lifter([])
    rest = b"".join(lifting.feed(document[at : at + chunk_bytes]) for at in range(0, len(document), chunk_bytes))
    return rest + lifting.close(), lifted_by(lifting)


def lifted_by(lifting: Lifter) -> list[bytes]:
    """The pictures' bytes, in order."""
    blobs = [lifting.blobs.decode(f"blob:{NONCE}:{index}") for index in range(len(lifting.blobs))]
    return [blob.data for blob in blobs if blob is not None and blob.data is not None]


def lines(text: str, length: int, separator: str) -> str:
    return separator.join(text[at : at + length] for at in range(0, len(text), length))


def without_padding(text: str) -> str:
    return text.rstrip("=")


SPELLINGS: Final[dict[str, Callable[[str], str]]] = {
    "plain": lambda text: text,
    "no padding": without_padding,
    "url-safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "url-safe, no padding": lambda text: without_padding(text).replace("+", "-").replace("/", "_"),
    "PHP": lambda text: text.replace("/", "\\/"),
    ".NET": lambda text: text.replace("+", "\\u002B").replace("/", "\\u002f"),
    "Gson": lambda text: text.replace("=", "\\u003d"),
    "all escaped": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "lines of 76": lambda text: lines(text, 76, "\\n"),
    "lines of 64 and CRLF": lambda text: lines(text, 64, "\\r\\n"),
    "lines of 60, PHP": lambda text: lines(text, 60, "\n").replace("/", "\\/").replace("\n", "\\n"),
    "lines of 77, no padding": lambda text: lines(without_padding(text), 77, "\\n"),
    "lines of 4500": lambda text: lines(text, 4_500, "\\n"),
    "escaped line feeds": lambda text: lines(text, 70, "\\u000a"),
    "a space in the middle": lambda text: text[:5_001] + " " + text[5_001:],
    "spaces before the end": lambda text: text[:-9] + "  " + text[-9:],
    "spaces everywhere": lambda text: lines(text, 3, " "),
    "begins on a new line": lambda text: "\\n " + text,
}
"""How base64 stands in a JSON string at encoders and vendors (wire-facts section 5, row 13; fault-case F74)."""


@st.composite
def any_spelling(draw: st.DrawFn, text: str) -> str:
    """The text in one of these spellings, or in what an encoder might yet make of them together."""
    if draw(st.booleans()):
        return SPELLINGS[draw(st.sampled_from(sorted(SPELLINGS)))](text)
    if draw(st.booleans()):
        text = without_padding(text)
    if draw(st.booleans()):
        text = text.replace("+", "-").replace("/", "_")
    if draw(st.booleans()):
        text = lines(text, draw(st.integers(24, 200)), draw(st.sampled_from("\n\t ")))
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    escapes = {char: [char, f"\\u{ord(char):04x}", f"\\u{ord(char):04X}"] for char in "/+=\n\r\tA-_"}
    escapes |= {char: [*escapes[char], f"\\{short}"] for char, short in zip("/\n\r\t", "/nrt", strict=True)}
    return text.translate({ord(char): draw(st.sampled_from(ways)) for char, ways in escapes.items()})
