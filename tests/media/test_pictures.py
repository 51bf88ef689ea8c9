"""Pictures are measured against limits before anything is decoded, and re-encoded without losing what can be seen."""

import io
import threading
from pathlib import Path

import pytest
from PIL import Image, ImageCms

from app.core.image import OutputFormat
from app.core.media import Blob
from app.media.pictures import VENDOR_LIMITS, Converter, PictureLimits, measure
from app.media.structure import NotAPicture, Picture
from app.wire.blobs import SpoolSink
from tests.media.test_structure import chunk, drawn, moving, png


@pytest.fixture
async def converter() -> Converter:
    return Converter()


def blob_of(picture: Image.Image, kind: str, **options: object) -> Blob:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return Blob.of(file.getvalue())


def opened(blob: Blob) -> Image.Image:
    assert blob.path is not None
    picture = Image.open(blob.path)
    picture.load()
    return picture


def is_empty(directory: Path) -> bool:
    return not list(directory.iterdir())


async def converted(blob: Blob, to: OutputFormat, tmp_path: Path, quality: int | None = None) -> Image.Image:
    converter = Converter()
    result = await converter.convert(blob, to=to, quality=quality, sink=SpoolSink(tmp_path))
    await converter.close()
    return opened(result)


CLIENT_LIMITS = PictureLimits(max_side=8192)


@pytest.mark.parametrize(
    ("width", "height", "for_client", "for_vendor"),
    [
        (4096, 4096, True, True),
        (8192, 4096, True, True),
        (8192, 8192, False, False),
        (8193, 1, False, True),
        (12288, 1536, False, True),
        (16385, 1, False, False),
        (50_000, 50_000, False, False),
    ],
)
def test_e60_a_picture_beyond_the_limits_is_refused_from_its_header(
    width: int, height: int, for_client: bool, for_vendor: bool
) -> None:
    blob = Blob.of(png(chunk(b"IDAT", b"never inflated"), width=width, height=height))
    for limits, taken in ((CLIENT_LIMITS, for_client), (VENDOR_LIMITS, for_vendor)):
        if taken:
            assert measure(blob, limits=limits) == Picture("image/png", width, height)
        else:
            with pytest.raises(NotAPicture):
                measure(blob, limits=limits)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_e60_a_picture_that_moves_is_refused(kind: str) -> None:
    with pytest.raises(NotAPicture, match="animated"):
        measure(Blob.of(moving(kind)))


def test_e63_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for blob in (Blob.of(b""), Blob(0, "", b"", path=tmp_path / "empty")):
        with pytest.raises(NotAPicture):
            measure(blob)


async def test_a_file_and_the_same_bytes_in_memory_measure_alike(converter: Converter, tmp_path: Path) -> None:
    data = drawn("JPEG")
    (tmp_path / "file").write_bytes(data)
    in_file = Blob(len(data), "", data[:64], path=tmp_path / "file")
    assert measure(in_file) == measure(Blob.of(data)) == Picture("image/jpeg", 37, 23)
    assert await converter.verify(in_file) == await converter.verify(Blob.of(data)) == Picture("image/jpeg", 37, 23)


async def test_e61_a_picture_that_is_cut_off_measures_but_does_not_verify(converter: Converter, tmp_path: Path) -> None:
    data = drawn("PNG", (200, 200))
    data = data[: len(data) // 2]
    (tmp_path / "cut").write_bytes(data)
    for blob in (Blob.of(data), Blob(len(data), "", data[:64], path=tmp_path / "cut")):
        assert measure(blob).width == 200
        with pytest.raises(NotAPicture):
            await converter.verify(blob)


def test_a_refusal_that_is_remembered_keeps_no_file_in_memory(tmp_path: Path) -> None:
    data = drawn("PNG", (200, 200))[:20]
    (tmp_path / "cut").write_bytes(data)
    with pytest.raises(NotAPicture) as refusal:
        measure(Blob(len(data), "", data[:64], path=tmp_path / "cut"))
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    assert refusal.value.reason == "it is cut off or damaged"


@pytest.mark.parametrize("to", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
async def test_every_kind_becomes_every_format_with_the_same_sides_and_colours(
    kind: str, mode: str, to: OutputFormat, tmp_path: Path
) -> None:
    colour = (120, 120, 120) if mode == "L" else (200, 40, 90)
    source = Image.new("RGB", (40, 30), colour)
    if mode != "P":
        source = source.convert(mode)
    elif kind in {"PNG", "GIF"}:
        source = source.quantize()
    blob = blob_of(source, kind)
    result = await converted(blob, to, tmp_path)
    assert (result.format, result.size) == (to.upper(), (40, 30))
    shown = result.convert("RGB").getpixel((20, 15))
    assert isinstance(shown, tuple)
    assert all(abs(got - drawn) <= 6 for got, drawn in zip(shown, colour, strict=True))


@pytest.mark.parametrize(
    ("to", "shown"), [("png", (0, 0, 255, 0)), ("webp", (0, 0, 255, 0)), ("jpeg", (255, 255, 255))]
)
@pytest.mark.parametrize("mode", ["RGBA", "P"])
async def test_transparency_is_kept_or_laid_on_white_for_jpeg(
    to: OutputFormat, shown: tuple[int, ...], mode: str, tmp_path: Path
) -> None:
    source = Image.new("RGBA", (16, 16), (0, 0, 255, 0))
    blob = blob_of(source if mode == "RGBA" else source.quantize(), "PNG")
    result = await converted(blob, to, tmp_path)
    pixel = result.getpixel((8, 8))
    assert isinstance(pixel, tuple)
    assert pixel[3:] == shown[3:]
    assert to != "jpeg" or all(abs(got - white) <= 2 for got, white in zip(pixel, shown, strict=True))


async def test_a_16_bit_grey_png_keeps_its_brightness(tmp_path: Path) -> None:
    result = await converted(blob_of(Image.new("I;16", (8, 8), 100 * 256), "PNG"), "jpeg", tmp_path)
    pixel = result.convert("L").getpixel((4, 4))
    assert not isinstance(pixel, tuple)
    assert pixel is not None
    assert abs(pixel - 100) <= 2


async def test_a_print_jpeg_becomes_a_screen_picture(tmp_path: Path) -> None:
    result = await converted(blob_of(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"), "png", tmp_path)
    assert (result.mode, result.getpixel((4, 4))) == ("RGB", (255, 255, 255))


@pytest.mark.parametrize("to", ["png", "jpeg", "webp"])
async def test_a_colour_profile_goes_along_while_it_still_fits(to: OutputFormat, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    coloured = blob_of(Image.new("RGB", (8, 8)), "PNG", icc_profile=profile)
    assert (await converted(coloured, to, tmp_path)).info.get("icc_profile") == profile
    grey = blob_of(Image.new("L", (8, 8)), "PNG", icc_profile=profile)
    assert (await converted(grey, to, tmp_path)).info.get("icc_profile") is None


@pytest.mark.parametrize("to", ["png", "jpeg", "webp"])
async def test_e68_position_camera_and_comments_stay_behind_and_the_picture_stands_upright(
    to: OutputFormat, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter
    exif[0x010F] = "Camera maker"
    exif.get_ifd(0x8825)[1] = "N"
    blob = blob_of(Image.new("RGB", (40, 20)), "JPEG", exif=exif, comment=b"at home")
    result = await converted(blob, to, tmp_path)
    assert result.size == (20, 40)
    assert not result.getexif()
    assert "comment" not in result.info


@pytest.mark.parametrize("to", ["jpeg", "webp"])
async def test_quality_is_honoured(to: OutputFormat, tmp_path: Path) -> None:
    converter = Converter()
    blob = Blob.of(drawn("PNG", (200, 200)))
    sizes = [
        (await converter.convert(blob, to=to, quality=quality, sink=SpoolSink(tmp_path))).size_bytes
        for quality in (0, 30, 60, 100)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1] / 4


async def test_what_cannot_be_decoded_is_refused_and_leaves_no_file(converter: Converter, tmp_path: Path) -> None:
    garbage = png(chunk(b"IDAT", b"these are no pixels"), width=10, height=10)
    for data in (garbage, drawn("JPEG", (64, 64))[:300], b"no picture"):
        with pytest.raises(NotAPicture):
            await converter.convert(Blob.of(data), to="webp", quality=None, sink=SpoolSink(tmp_path))
    assert is_empty(tmp_path)


async def test_a_bomb_is_not_decoded_for_conversion(converter: Converter, tmp_path: Path) -> None:
    bomb = Blob.of(png(chunk(b"IDAT", b""), width=50_000, height=50_000))
    with pytest.raises(NotAPicture, match="50000x50000"):
        await converter.convert(bomb, to="png", quality=None, sink=SpoolSink(tmp_path))


class FullDisk:
    """A sink on a disk without room."""

    aborted = False

    def write(self, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> Blob:
        raise AssertionError("nothing was written")

    def abort(self) -> None:
        self.aborted = True


async def test_h97_a_full_disk_is_not_blamed_on_the_picture(converter: Converter) -> None:
    sink = FullDisk()
    with pytest.raises(OSError, match="No space left"):
        await converter.convert(Blob.of(drawn()), to="webp", quality=None, sink=sink)
    assert sink.aborted


def picture_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("pictures")}


async def test_closing_ends_the_threads() -> None:
    others = picture_threads()  # of gateways that other tests of this process share
    converter = Converter(workers=1)
    await converter.verify(Blob.of(drawn()))
    ours = picture_threads() - others
    assert ours
    await converter.close()
    assert not any(thread.is_alive() for thread in ours)
