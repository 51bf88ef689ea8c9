"""What a picture file says about itself, read from its skeleton: kind, sides, frames, and whether it is all there.

Nothing is decoded and nothing is inflated, so a small file cannot buy much time or memory (fault-cases E60, E61).
Layouts: PNG third edition sections 5 and 11, ITU-T T.81 annex B, RFC 9649 (WebP), GIF89a.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.core.media import HEAD_BYTES, PICTURES, sniff

MAX_PARTS: Final = 100_000
"""How many chunks, segments or blocks one file may have: a 40 MiB PNG in pieces of 8 KiB has 5,000."""

_SCAN_END: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})


class NotAPicture(Exception):
    """Bytes that are no picture we take. `reason` is half a sentence that may be shown to a client."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Picture:
    """Measured: `width` and `height` in pixels as stored, `frames` 1 for a still and 2 for anything that moves."""

    mime: str
    width: int
    height: int
    frames: int = 1


def examine(data: memoryview, *, whole: bool) -> Picture:
    """The picture in `data`, a file's bytes (they may be a memory map; only what is needed is touched).

    With `whole`, goes on to the end: every part must be there, and a PNG's checksums right. Raises: NotAPicture.
    """
    mime = sniff(bytes(data[:HEAD_BYTES]))
    if mime is None:
        raise NotAPicture("its bytes are those of no picture")
    if mime not in PICTURES:
        raise NotAPicture(f"{mime} is not taken; PNG, JPEG, WebP and GIF are")
    reader = {"image/png": _png, "image/jpeg": _jpeg, "image/webp": _webp, "image/gif": _gif}[mime]
    try:
        width, height, frames = reader(data, whole)
    except IndexError as error:
        raise NotAPicture("it is cut off or damaged") from error
    if width < 1 or height < 1:
        raise NotAPicture("it has no size")
    return Picture(mime, width, height, frames)


def _png(data: memoryview, whole: bool) -> tuple[int, int, int]:
    frames, has_pixels = 1, False
    for kind, start, end in _png_chunks(data):
        if start == 16 and kind != b"IHDR":
            raise IndexError
        if kind == b"acTL":
            frames = 2
        has_pixels = has_pixels or kind == b"IDAT"
        if has_pixels and not whole:
            break
        if whole and zlib.crc32(data[start - 4 : end]) != _big(data, end, 4):
            raise NotAPicture("it is damaged: a checksum is wrong")
    if not has_pixels:
        raise IndexError
    return _big(data, 16, 4), _big(data, 20, 4), frames


def _png_chunks(data: memoryview) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind and where its content starts and ends, up to IEND. Raises: IndexError when one is cut off."""
    position = 8
    for _ in range(MAX_PARTS):
        start = position + 8
        end = start + _big(data, position, 4)
        kind = bytes(data[position + 4 : start])
        yield kind, start, end
        if kind == b"IEND":
            return
        position = end + 4
    raise IndexError


def _jpeg(data: memoryview, whole: bool) -> tuple[int, int, int]:
    position, sides = 2, None
    for _ in range(MAX_PARTS):
        if data[position] != 0xFF:
            raise IndexError
        marker = data[position + 1]
        if marker == 0xFF:  # padding before a marker
            position += 1
            continue
        position += 2
        if marker == 0xD9:
            break
        if marker in _STANDALONE:
            continue
        if marker in _FRAME_HEADERS and sides is None:
            sides = _big(data, position + 5, 2), _big(data, position + 3, 2)
        position += _big(data, position, 2)
        if marker == 0xDA:
            if not whole:
                break
            position = _jpeg_scan_end(data, position)
    else:
        raise IndexError
    if sides is None:
        raise IndexError
    return *sides, 1


def _jpeg_scan_end(data: memoryview, position: int) -> int:
    """Where the marker after the entropy-coded bytes from `position` is."""
    if (match := _SCAN_END.search(data, position)) is None:
        raise IndexError
    return match.start()


def _webp(data: memoryview, whole: bool) -> tuple[int, int, int]:
    size = 8 + _little(data, 4, 4)
    kind = bytes(data[12:16])
    if whole and (size > len(data) or not _webp_chunks_fit(data, size)):
        raise IndexError
    if kind == b"VP8X":
        return 1 + _little(data, 24, 3), 1 + _little(data, 27, 3), 2 if data[20] & 0x02 else 1
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = _little(data, 21, 4)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF), 1
    if kind == b"VP8 " and bytes(data[23:26]) == b"\x9d\x01\x2a":
        return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF, 1
    raise IndexError


def _webp_chunks_fit(data: memoryview, size: int) -> bool:
    """Whether every chunk is all inside the container and pixels are among them."""
    position, has_pixels = 12, False
    for _ in range(MAX_PARTS):
        if position >= size:
            return has_pixels and position - size <= 1  # some writers leave out the last padding
        has_pixels = has_pixels or bytes(data[position : position + 4]) in {b"VP8 ", b"VP8L", b"ANMF"}
        length = _little(data, position + 4, 4)
        position += 8 + length + (length & 1)
    return False


def _gif(data: memoryview, whole: bool) -> tuple[int, int, int]:
    sides = _little(data, 6, 2), _little(data, 8, 2)
    position, frames = 13 + _colour_table(data[10]), 0
    budget = iter(range(len(data) // 32 + MAX_PARTS))
    for _ in budget:
        introducer = data[position]
        if introducer == 0x3B:
            break
        if introducer == 0x21:
            position = _gif_blocks_end(data, position + 2, budget)
        elif introducer == 0x2C:
            frames += 1
            if frames > 1 and not whole:
                break
            position = _gif_blocks_end(data, position + 11 + _colour_table(data[position + 9]), budget)
        else:
            raise IndexError
    else:
        raise IndexError
    if not frames:
        raise IndexError
    return *sides, min(frames, 2)


def _gif_blocks_end(data: memoryview, position: int, budget: Iterator[int]) -> int:
    """Where the block ends whose sub-blocks start at `position`; `budget` bounds the steps over the whole file."""
    for _ in budget:
        length = data[position]
        position += 1 + length
        if not length:
            return position
    raise IndexError


def _colour_table(flags: int) -> int:
    """How many bytes the colour table takes that these flags announce."""
    return 3 << (flags & 0x07) + 1 if flags & 0x80 else 0


def _big(data: memoryview, position: int, length: int) -> int:
    return int.from_bytes(_exactly(data, position, length), "big")


def _little(data: memoryview, position: int, length: int) -> int:
    return int.from_bytes(_exactly(data, position, length), "little")


def _exactly(data: memoryview, position: int, length: int) -> memoryview:
    if position + length > len(data):
        raise IndexError
    return data[position : position + length]
