"""Sides, kind and wholeness are read from the skeleton: never from what was declared, never by decoding."""

import io
import random
import struct
import zlib
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from app.media.structure import MAX_PARTS, NotAPicture, Picture, examine

KINDS: Final = [
    ("PNG", {}),
    ("PNG", {"optimize": True}),
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("JPEG", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"icc_profile": b"x" * 129}),
    ("GIF", {}),
]


def drawn(kind: str = "PNG", size: tuple[int, int] = (37, 23), **options: Any) -> bytes:
    """A noisy picture, so that the compressed bytes are many; the same one every time."""
    file = io.BytesIO()
    Image.frombytes("RGB", size, random.Random(size[0]).randbytes(3 * size[0] * size[1])).save(file, kind, **options)
    return file.getvalue()


def moving(kind: str) -> bytes:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:])
    return file.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, width: int = 1, height: int = 1) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def seen(data: bytes, *, whole: bool = True) -> Picture:
    return examine(memoryview(data), whole=whole)


@pytest.mark.parametrize(("kind", "options"), KINDS)
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("size", [(37, 23), (1, 1), (300, 1)])
def test_sides_and_kind_are_those_that_were_drawn(
    kind: str, options: dict[str, Any], whole: bool, size: tuple[int, int]
) -> None:
    assert seen(drawn(kind, size, **options), whole=whole) == Picture(f"image/{kind.lower()}", *size, 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
@pytest.mark.parametrize("whole", [False, True])
def test_e60_a_picture_that_moves_is_told_from_a_still_one(kind: str, whole: bool) -> None:
    assert seen(moving(kind), whole=whole).frames == 2


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_e61_a_picture_cut_anywhere_is_not_whole(kind: str, options: dict[str, Any]) -> None:
    data = drawn(kind, **options)
    for length in range(len(data)):
        with pytest.raises(NotAPicture):
            seen(data[:length])


@pytest.mark.parametrize("after", [b"\0", b"PK\x03\x04 a zip file", b"<script>alert(1)</script>"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_what_trails_a_whole_picture_does_not_make_it_less_whole(kind: str, after: bytes) -> None:
    assert seen(drawn(kind) + after) == seen(drawn(kind))


def test_e61_a_png_with_any_bit_changed_after_its_signature_is_noticed() -> None:
    data = drawn(size=(9, 9))
    for at in range(8, len(data)):
        with pytest.raises(NotAPicture):
            seen(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])


@pytest.mark.parametrize(
    "data",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"8BPS\0\x01",
        b"II*\0\x08\0\0\0",
        b"SIMPLE  =                    T",
        b"\0\0\x01\0\x01\0",
        b"\0\0\0\x18ftypheic",
        b"%PDF-1.7",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!DOCTYPE html><html>",
        b"PK\x03\x04",
        b"BM",
        b"",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
    ],
)
def test_e62_what_is_no_picture_we_take_is_refused_by_its_first_bytes(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        seen(data, whole=False)


def test_e60_a_bombs_sides_are_told_without_inflating_it() -> None:
    bomb = png(chunk(b"IDAT", zlib.compress(bytes(1000))), width=50_000, height=50_000)
    assert seen(bomb, whole=False) == Picture("image/png", 50_000, 50_000, 1)


def test_a_png_without_pixels_or_without_size_is_no_picture() -> None:
    for data in (png(), png(chunk(b"IDAT", b"x"), width=0)):
        with pytest.raises(NotAPicture):
            seen(data, whole=False)


def with_parts(kind: str, count: int) -> bytes:
    """A whole picture with `count` more parts that say nothing."""
    data = drawn(kind)
    match kind:
        case "PNG":
            return png(chunk(b"tEXt", b"") * count, chunk(b"IDAT", b"x"))
        case "JPEG":
            return data[:2] + b"\xff" * count + data[2:]
        case _:
            pixels = 13 + (3 << (data[10] & 7) + 1)
            return data[:pixels] + b"\x21\xfe" + b"\x01x" * count + b"\0" + data[pixels:]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
@pytest.mark.parametrize("whole", [False, True])
def test_e61_a_file_of_endless_tiny_parts_is_given_up(kind: str, whole: bool) -> None:
    assert seen(with_parts(kind, 1000), whole=whole).mime == f"image/{kind.lower()}"
    with pytest.raises(NotAPicture):
        seen(with_parts(kind, 2 * MAX_PARTS), whole=whole)


def test_e61_a_webp_chunk_that_reaches_beyond_its_container_is_damage() -> None:
    data = bytearray(drawn("WEBP", lossless=True) + bytes(100))
    data[16:20] = (int.from_bytes(data[16:20], "little") + 50).to_bytes(4, "little")
    with pytest.raises(NotAPicture):
        seen(bytes(data))


@given(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]), st.data())
def test_e61_any_damage_gives_a_picture_or_a_refusal_and_nothing_else(kind: str, draw: st.DataObject) -> None:
    data = bytearray(drawn(kind, (5, 5)))
    for _ in range(draw.draw(st.integers(1, 8))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    cut = draw.draw(st.integers(0, len(data)))
    for whole in (False, True):
        try:
            picture = seen(bytes(data[:cut]), whole=whole)
        except NotAPicture:
            continue
        assert picture.width >= 1
        assert picture.height >= 1
