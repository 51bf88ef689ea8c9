"""Two small pictures to try image-to-image with: a mug and some hills. Drawn, not photographed."""

import io
import random
from collections.abc import Callable, Mapping
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

_EDGE: Final = 512


def sample_pictures() -> Mapping[str, tuple[bytes, str]]:
    """File name to bytes and mime type."""
    return {name: (_encoded(paint(), kind), f"image/{kind.lower()}") for name, (paint, kind) in _PAINTERS.items()}


def _mug() -> Image.Image:
    picture = Image.new("RGB", (_EDGE, _EDGE), (236, 230, 220))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 360, _EDGE, _EDGE), fill=(206, 190, 168))
    shadow = Image.new("L", picture.size, 0)
    ImageDraw.Draw(shadow).ellipse((110, 372, 420, 440), fill=130)
    picture.paste((90, 74, 60), mask=shadow.filter(ImageFilter.GaussianBlur(14)))
    pen.ellipse((300, 190, 420, 330), outline=(176, 48, 44), width=26)
    pen.rounded_rectangle((140, 150, 340, 410), radius=38, fill=(200, 58, 52))
    pen.rectangle((166, 190, 186, 370), fill=(226, 104, 96))
    pen.ellipse((140, 126, 340, 178), fill=(222, 88, 80))
    pen.ellipse((156, 136, 324, 170), fill=(74, 44, 32))
    return picture.filter(ImageFilter.SMOOTH)


def _hills() -> Image.Image:
    sky = Image.new("RGB", (1, 2))
    sky.putdata([(120, 176, 214), (250, 224, 190)])
    picture = sky.resize((_EDGE * 3 // 2, _EDGE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((520, 90, 600, 170), fill=(255, 244, 214))
    dice = random.Random("hills")
    for base, shade in ((270, (126, 160, 140)), (340, (88, 130, 104)), (420, (52, 92, 72))):
        tops = [(x, base + dice.randint(-45, 45)) for x in range(-60, 900, 120)]
        pen.polygon([(-60, _EDGE), *tops, (900, _EDGE)], fill=shade)
    return picture.filter(ImageFilter.SMOOTH_MORE)


def _encoded(picture: Image.Image, kind: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


_PAINTERS: Final[Mapping[str, tuple[Callable[[], Image.Image], str]]] = {
    "mug.png": (_mug, "PNG"),
    "hills.jpeg": (_hills, "JPEG"),
}
