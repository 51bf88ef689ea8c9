"""Measuring, checking and re-encoding pictures. Measuring reads the file's skeleton; only converting decodes."""

import asyncio
import io
import mmap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Final, TypeVar

from PIL import Image, ImageCms, ImageOps

from app.core.image import OutputFormat
from app.core.media import Blob
from app.media.structure import NotAPicture, Picture, examine
from app.wire.blobs import BlobSink

DECODERS: Final = ("PNG", "JPEG", "WEBP", "GIF")
"""Pillow opens 43 kinds when not told, EPS among them (fault-cases M11)."""

Result = TypeVar("Result")

_ENCODERS: Final[dict[OutputFormat, str]] = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}
_DEFAULT_QUALITY: Final = 90
_COLOURED: Final = frozenset({"RGB", "RGBA", "P", "PA"})
"""The modes whose colour profile is still right after converting to RGB or RGBA."""

_UNREADABLE: Final = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, ImageCms.PyCMSError, MemoryError)
"""What Pillow raises for bytes it cannot decode; a SyntaxError is its word for a broken file."""


@dataclass(frozen=True, slots=True)
class PictureLimits:
    """How large a picture may be, told before it is decoded."""

    max_side: int
    max_pixels: int = 32 * 1024 * 1024
    max_frames: int = 1


VENDOR_LIMITS: Final = PictureLimits(max_side=16_384)
"""For what vendors draw: the widest 4K picture seen is 12288 × 1536 (wire-facts)."""


def measure(blob: Blob, *, limits: PictureLimits = VENDOR_LIMITS) -> Picture:
    """Kind and sides from the file's first bytes, in microseconds. Raises: NotAPicture, also when beyond `limits`."""
    return _within(_examine(blob, whole=False), limits)


class Converter:
    """Work on pictures in a few threads, so that it can neither stop the event loop nor fill the memory."""

    def __init__(self, *, workers: int = 2, limits: PictureLimits = VENDOR_LIMITS) -> None:
        """`limits`: what is beyond them is no picture to verify or to convert."""
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="pictures")
        self._limits = limits

    async def verify(self, blob: Blob) -> Picture:
        """As `measure`, and makes sure that the file is whole: all parts there, checksums right. Raises: NotAPicture.

        Pixels are not decoded: 2 ms instead of 80 for a 7 MB PNG of 2752 × 1536 (one core, November 2026). A file whose
        parts and checksums are right and whose pixels are not is the one thing that passes.
        """
        return _within(await self._run(lambda: _examine(blob, whole=True)), self._limits)

    async def convert(
        self,
        blob: Blob,
        *,
        to: OutputFormat,
        quality: int | None,
        sink: BlobSink,
    ) -> Blob:
        """The picture anew, as `to`, written into `sink`, which is closed or, on failure, aborted.

        `quality` is 0-100 for jpeg and webp (None: 90); png ignores it. Transparency is kept, or laid on white for
        jpeg. A colour profile is kept where it still fits. Other metadata is left behind. Raises: NotAPicture.
        """
        return await self._run(lambda: _fill(sink, lambda: _convert(blob, to, quality, self._limits)))

    async def close(self) -> None:
        """Lets what is running finish and drops what is waiting."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)


def _fill(sink: BlobSink, make: Callable[[], bytes]) -> Blob:
    """Runs in one thread from start to end, so that a caller who stops waiting leaves no half-written sink."""
    try:
        sink.write(make())
        return sink.close()
    except BaseException:
        sink.abort()
        raise


def _examine(blob: Blob, *, whole: bool) -> Picture:
    if blob.size_bytes == 0:
        raise NotAPicture("it is empty")
    if blob.path is None:
        assert blob.data is not None, "a blob is in a file or in memory"
        return examine(memoryview(blob.data), whole=whole)
    with blob.path.open("rb") as file:
        try:
            # The map closes when the last view of it is gone; closing it here would fail while an error holds one.
            return examine(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), whole=whole)
        except NotAPicture as error:
            reason = error.reason
    raise NotAPicture(reason)  # the one from below would keep the file in memory for as long as it is remembered


def _within(picture: Picture, limits: PictureLimits) -> Picture:
    width, height = picture.width, picture.height
    if max(width, height) > limits.max_side or width * height > limits.max_pixels:
        raise NotAPicture(
            f"it is {width}x{height}; at most {limits.max_side} a side and {limits.max_pixels} pixels in all are taken"
        )
    if picture.frames > limits.max_frames:
        raise NotAPicture("it is animated; only still pictures are taken")
    return picture


def _convert(blob: Blob, to: OutputFormat, quality: int | None, limits: PictureLimits) -> bytes:
    _within(_examine(blob, whole=False), limits)
    with _source(blob) as file:
        try:
            with Image.open(file, formats=DECODERS) as opened:
                picture, profile = _prepared(opened, to)
            encoded = io.BytesIO()
            picture.save(encoded, _ENCODERS[to], icc_profile=profile, **_options(to, quality))
        except _UNREADABLE as error:
            raise NotAPicture("it cannot be decoded") from error
    return encoded.getvalue()


def _source(blob: Blob) -> IO[bytes]:
    if blob.path is not None:
        return blob.path.open("rb")
    assert blob.data is not None, "a blob is in a file or in memory"
    return io.BytesIO(blob.data)


def _options(to: OutputFormat, quality: int | None) -> dict[str, int]:
    if to == "png":
        return {"compress_level": 1}  # an eighth of the default's time for 3 % more bytes
    chosen = {"quality": _DEFAULT_QUALITY if quality is None else quality}
    return chosen if to == "jpeg" else {**chosen, "method": 2}  # half of the default's time for 1 % more bytes


def _prepared(opened: Image.Image, to: OutputFormat) -> tuple[Image.Image, bytes | None]:
    """Decodes, upright, to RGB or RGBA without metadata; with the colour profile that still describes the colours."""
    profile: bytes | None = opened.info.get("icc_profile")
    upright = ImageOps.exif_transpose(opened)
    if upright.mode == "CMYK" and profile:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(upright, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert converted is not None, "a picture comes back unless it is changed in place"
        upright, profile = converted, None
    elif upright.mode not in _COLOURED:
        profile = None
    if upright.mode.startswith("I;16"):
        upright = upright.convert("I").point(lambda value: value * (1 / 256)).convert("L")  # convert alone would clip
    picture = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if to == "jpeg" and picture.mode == "RGBA":
        background = Image.new("RGB", picture.size, "white")
        background.paste(picture, mask=picture.getchannel("A"))
        picture = background
    picture.info = {}
    return picture, profile
