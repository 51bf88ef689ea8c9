"""Where a long base64 picture begins in a document's bytes, and how it is read to its end, escapes and all.

Chunks may be cut anywhere: finder and reader say how far they are certain, and are asked again from there with more.
"""

import re
from dataclasses import dataclass
from typing import Final

import pybase64

from app.core.media import HEAD_BYTES, sniff
from app.wire.base64_text import Base64Decoder, InvalidBase64

MIN_RUN: Final = 4096
"""How many base64 characters make a run worth lifting; shorter pictures stay in the document as text."""

# What may be inside a run. Some JSON encoders escape more than they must: PHP `/`, .NET `+`, Gson `=`.
_CHARS: Final = rb"[A-Za-z0-9+/_-]"
_ESCAPED_CHAR: Final = rb"\\(?:/|u00(?:2[bBdDfF]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA]))"
_ESCAPED_SPACE: Final = rb"\\(?:[nrt]|u00(?:09|0[aAdD]|20))"
_CUT_ESCAPE: Final = rb"\\(?:u(?:0(?:0[0-7]?)?)?)?\Z"

_START: Final = re.compile(rb'(?:"|;base64,)(?=[\w+/\\ \t\r\n-]{%d}|[\w+/\\ \t\r\n-]{0,%d}\Z)' % (MIN_RUN, MIN_RUN))
_TEXT_TOKEN: Final = re.compile(rb"(?:%b++|%b)++" % (_CHARS, _ESCAPED_CHAR))
_LOOSE_TOKEN: Final = re.compile(rb"(?:(?:%b|[ \t\r\n])++|%b|%b)++" % (_CHARS, _ESCAPED_CHAR, _ESCAPED_SPACE))
_PADDING_TOKEN: Final = re.compile(rb"=|\\u003[dD]")
_SPACES_TOKEN: Final = re.compile(rb"(?:[ \t\r\n]++|%b)++" % _ESCAPED_SPACE)
_CUT_TOKEN: Final = re.compile(_CUT_ESCAPE)
_LONG_WORD: Final = re.compile(rb"(?:%b|%b){24}" % (_CHARS, _ESCAPED_CHAR))
_OPEN_WORD: Final = re.compile(rb"(?:%b|%b)*+(?:\Z|%b)" % (_CHARS, _ESCAPED_CHAR, _CUT_ESCAPE))

_MARK: Final = b";base64,"
_SPACE: Final = b" \t\r\n"
_LONGEST_ESCAPE: Final = 6
_MAX_HEAD: Final = MIN_RUN * _LONGEST_ESCAPE
_MAX_SPACES: Final = 1024
_SNIFFED_CHARS: Final = (HEAD_BYTES + 2) // 3 * 4
_ENDS_STRING: Final = b'"\\'
_ENDS_LINK: Final = b"\"\\)]}>.,;'`<&|*" + bytes(range(0x80, 0x100))
_TO_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_SPACE_ESCAPES: Final = ((b"\\n", b""), (b"\\r", b""), (b"\\t", b""))
_CHAR_ESCAPES: Final = ((b"\\/", b"/"), (b"\\u002B", b"+"), (b"\\u002b", b"+"), (b"\\u002F", b"/"), (b"\\u002f", b"/"))


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run to lift: whether it has whitespace inside, and the bytes at which it may end."""

    is_loose: bool
    ends: bytes


def find_run(buffer: bytes, scan: int) -> tuple[int, RunStart | None]:
    """Looks for a run to lift. Returns where it begins; or up to where there is certainly none, and None."""
    while match := _START.search(buffer, scan):
        begin = match.end()
        token = _LOOSE_TOKEN.match(buffer, begin, begin + _MAX_HEAD)
        head = token[0] if token else b""
        scan = begin + len(head)
        text = _unescape(head)
        chars = text.translate(None, _SPACE)
        if len(chars) >= MIN_RUN:
            if start := _judge(text, chars, is_marked=buffer[match.start()] == _MARK[0]):
                return begin + _leading_spaces(head), start
        elif len(buffer) < begin + _MAX_HEAD and _OPEN_WORD.match(buffer, scan):
            return match.start(), None
    mark = buffer.rfind(b";", max(scan, len(buffer) - len(_MARK) + 1))
    return (mark if mark >= 0 and _MARK.startswith(buffer[mark:]) else len(buffer)), None


class RunReader:
    """Reads one run to its end, and feeds what is base64 in it to a decoder.

    Whitespace at the very end of a run goes with it where there was whitespace inside, and otherwise stays behind it.
    """

    def __init__(self, decoder: Base64Decoder, start: RunStart) -> None:
        self._decoder = decoder
        self._is_loose = start.is_loose
        self._ends = start.ends
        self.is_over = False

    def read(self, buffer: bytes, position: int) -> int:
        """Returns where the run ended (`is_over`), or from where on more bytes are needed.

        Raises InvalidBase64 at what can neither be in a run nor end it, and what the decoder raises.
        """
        position = self._read_fast(buffer, position)
        while position < len(buffer) and not self.is_over:
            after = self._read_token(buffer, position)
            if after is None:
                break
            position = after
        return position

    def _read_fast(self, buffer: bytes, position: int) -> int:
        """Takes everything up to the likely end at once, when it is base64 with nothing but usual escapes in it."""
        if self._decoder.is_padded:
            return position
        stop = min(_find(buffer, end, position) for end in (b'"', b")", b"="))
        chars = buffer[position:stop]
        cut = chars.rfind(b"\\", -_LONGEST_ESCAPE + 1) if stop == len(buffer) else -1
        if cut >= 0:
            stop, chars = position + cut, chars[:cut]
        if b"\\" in chars:
            chars = _without_usual_escapes(chars, _SPACE_ESCAPES + _CHAR_ESCAPES if self._is_loose else _CHAR_ESCAPES)
        if self._is_loose:
            chars = chars.translate(None, _SPACE)
        return stop if self._decoder.write(chars) else position

    def _read_token(self, buffer: bytes, position: int) -> int | None:
        """Takes what is at `position` and returns where it ends; None when that takes more bytes to know."""
        is_loose = self._is_loose and not self._decoder.is_padded
        if match := (_LOOSE_TOKEN if is_loose else _TEXT_TOKEN).match(buffer, position):
            self._decoder.write(_unescape(match[0]).translate(None, _SPACE))
        elif match := _PADDING_TOKEN.match(buffer, position):
            self._decoder.pad()
        elif match := _SPACES_TOKEN.match(buffer, position):
            return self._read_spaces(buffer, position, match.end())
        elif _CUT_TOKEN.match(buffer, position):
            return None
        elif buffer[position] in self._ends:
            self.is_over = True
            return position
        else:
            raise InvalidBase64("a picture's base64 has other characters in it")
        return match.end()

    def _read_spaces(self, buffer: bytes, position: int, after: int) -> int | None:
        """Whitespace is inside the run when base64 goes on behind it, and otherwise ends it.

        A word behind a whole number of groups may be prose: only a long one is base64. Once there was whitespace,
        as in base64 wrapped into lines, the last line may be short.
        """
        if after - position <= _MAX_SPACES:
            if self._decoder.is_padded:
                goes_on = _PADDING_TOKEN.match(buffer, after)
            else:
                goes_on = (_LONG_WORD if self._decoder.is_whole else _TEXT_TOKEN).match(buffer, after)
            if goes_on:
                self._is_loose = True
                return after
            if _OPEN_WORD.match(buffer, after):
                return None
        self.is_over = True
        return position


def _judge(text: bytes, chars: bytes, *, is_marked: bool) -> RunStart | None:
    """Whether a long enough run is lifted. `text` is its beginning, `chars` the same without whitespace."""
    space = re.search(rb"[ \t\r\n]", text.lstrip(_SPACE))
    is_loose = space is not None and space.start() < MIN_RUN
    if is_marked and not is_loose:
        return RunStart(is_loose, _ENDS_LINK)
    head = pybase64.b64decode(chars[:_SNIFFED_CHARS].translate(_TO_STANDARD), validate=True)
    if sniff(head) in (None, "image/bmp"):  # Two letters, as BMP's signature, are found in any text.
        return None
    return RunStart(is_loose, _ENDS_LINK if is_marked else _ENDS_STRING)


def _without_usual_escapes(chars: bytes, usual: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """Undoes escapes in bulk, where no backslash is escaped itself; what stays then fails to decode."""
    if b"\\\\" in chars:
        return chars
    for escape, char in usual:
        chars = char.join(chars.split(escape))  # Half as long as `replace` takes.
        if b"\\" not in chars:
            break
    return chars


def _leading_spaces(head: bytes) -> int:
    match = _SPACES_TOKEN.match(head)
    return match.end() if match else 0


def _unescape(text: bytes) -> bytes:
    """The characters that a run's text means. Its escapes are JSON's; but for the slash, Python has the same."""
    return text.replace(b"\\/", b"/").decode("unicode_escape").encode() if b"\\" in text else text


def _find(buffer: bytes, byte: bytes, start: int) -> int:
    position = buffer.find(byte, start)
    return len(buffer) if position < 0 else position
