"""Draws the picture a simulated vendor answers with: the same prompt and size always give the same picture.

Not a model of anything. Whatever it draws says that it is simulated; references are pasted in, so that they can be
seen to have arrived. Big pictures are painted small and enlarged, because only the text needs every pixel.
"""

import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from app.sandbox.orders import PictureFormat, Reference

_PAINTED_EDGE: Final = 320
"""The longer edge, in pixels, of the background before it is enlarged."""
_INK: Final = (255, 255, 255, 255)
_FONT_SMALLEST: Final = 10
_TEXT_SIZES: Final = (8.5, 7.0, 5.5, 4.5, 3.6)
"""Font sizes to try for the prompt, in hundredths of the shorter edge."""

Palette = tuple[tuple[int, int, int], ...]
_PALETTES: Final[tuple[Palette, ...]] = (
    ((18, 32, 78), (86, 52, 140), (238, 116, 92), (255, 198, 122)),
    ((6, 52, 68), (16, 112, 122), (82, 178, 150), (240, 214, 140)),
    ((44, 20, 60), (140, 40, 96), (232, 92, 88), (250, 176, 98)),
    ((16, 30, 54), (38, 84, 140), (96, 160, 206), (226, 206, 184)),
    ((26, 46, 34), (58, 104, 74), (142, 168, 92), (236, 208, 130)),
    ((34, 26, 62), (78, 72, 160), (126, 140, 220), (244, 172, 188)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """All that decides how a picture looks. `footer` is written small at the bottom; width and height are pixels."""

    prompt: str
    footer: str
    width: int
    height: int
    variant: int = 0
    references: tuple[Reference, ...] = ()


def draw(sketch: Sketch, picture_format: PictureFormat) -> bytes:
    """The encoded picture, exactly `width` x `height`. References must be decodable; see `references.py`."""
    return encode(paint(sketch), picture_format)


def paint(sketch: Sketch) -> Image.Image:
    """The picture before encoding, in RGB."""
    seed = hashlib.sha256(f"{sketch.prompt}\0{sketch.variant}".encode("utf-8", "replace")).digest()
    canvas = _background(random.Random(seed), sketch.width, sketch.height)
    unit = max(1.0, min(sketch.width, sketch.height) / 100)
    _write(canvas, sketch, unit)
    return canvas


def encode(picture: Image.Image, picture_format: PictureFormat) -> bytes:
    """Encoded bytes, at settings chosen for speed rather than size."""
    out = io.BytesIO()
    match picture_format:
        case "png":
            picture.save(out, "PNG", compress_level=1)
        case "jpeg":
            picture.save(out, "JPEG", quality=88)
        case "webp":
            picture.save(out, "WEBP", quality=80, method=0)
    return out.getvalue()


def _background(dice: random.Random, width: int, height: int) -> Image.Image:
    scale = min(1.0, _PAINTED_EDGE / max(width, height))
    small = (max(8, round(width * scale)), max(8, round(height * scale)))
    palette = dice.choice(_PALETTES)
    canvas = _gradient(palette, small, angle=dice.choice((0, 15, -15, 30)))
    for layer in range(7):
        canvas = _with_shape(canvas, dice, palette, soft=layer < 4)
    canvas = _with_hills(canvas, dice, palette)
    return canvas.resize((width, height), Image.Resampling.BICUBIC)


def _gradient(palette: Palette, size: tuple[int, int], *, angle: int) -> Image.Image:
    """A vertical blend through the palette, slightly turned; drawn oversized so that the turn leaves no corner bare."""
    edge = max(size) * 2
    column = Image.new("RGB", (1, len(palette)))
    column.putdata(palette)
    blended = column.resize((edge, edge), Image.Resampling.BICUBIC).rotate(angle, Image.Resampling.BILINEAR)
    left, top = (edge - size[0]) // 2, (edge - size[1]) // 2
    return blended.crop((left, top, left + size[0], top + size[1]))


def _with_shape(canvas: Image.Image, dice: random.Random, palette: Palette, *, soft: bool) -> Image.Image:
    width, height = canvas.size
    radius = dice.uniform(0.10, 0.34 if soft else 0.16) * max(24, min(width, height) * 1.3)
    x, y = dice.uniform(0, width), dice.uniform(0, height * 0.75)
    mask = Image.new("L", canvas.size, 0)
    ImageDraw.Draw(mask).ellipse((x - radius, y - radius, x + radius, y + radius), fill=dice.randint(60, 120))
    mask = mask.filter(ImageFilter.GaussianBlur(radius / 3 if soft else 0.8))
    return Image.composite(Image.new("RGB", canvas.size, dice.choice(palette[1:])), canvas, mask)


def _with_hills(canvas: Image.Image, dice: random.Random, palette: Palette) -> Image.Image:
    width, height = canvas.size
    for depth in (0.70, 0.80, 0.89):
        ridge = [(width * step / 7, height * (depth + dice.uniform(-0.055, 0.055))) for step in range(8)]
        points = [(0.0, float(height)), *ridge, (float(width), float(height))]
        mask = Image.new("L", canvas.size, 0)
        ImageDraw.Draw(mask).polygon(points, fill=round(210 * depth))
        mask = mask.filter(ImageFilter.GaussianBlur(min(width, height) / 60))
        shade = tuple(round(value * (1.15 - depth)) for value in palette[1])
        canvas = Image.composite(Image.new("RGB", canvas.size, shade), canvas, mask)
    return canvas


def _write(canvas: Image.Image, sketch: Sketch, unit: float) -> None:
    pen = ImageDraw.Draw(canvas, "RGBA")
    margin = round(unit * 6)
    footer_top = _write_footer(pen, sketch, unit, margin)
    top = margin
    if sketch.references:
        top = _paste_references(canvas, pen, sketch.references, unit, margin)
    room = (sketch.width - 2 * margin, footer_top - top - margin)
    text, font, spacing = _fitted(pen, _visible(sketch.prompt), room, unit)
    height = pen.multiline_textbbox((0, 0), text, font=font, spacing=spacing)[3]
    y = top + max(0, (room[1] - height) // 2)
    shadow = max(1, round(unit * 0.35))
    for offset, ink in ((shadow, (0, 0, 0, 110)), (0, _INK)):
        pen.multiline_text((margin + offset, y + offset), text, font=font, fill=ink, spacing=spacing)


def _write_footer(pen: ImageDraw.ImageDraw, sketch: Sketch, unit: float, margin: int) -> int:
    """Writes the footer on a dark band and returns the band's top edge."""
    font = _font(max(_FONT_SMALLEST, unit * 2.6))
    lines = _wrapped(pen, sketch.footer, font, sketch.width - 2 * margin)
    text = "\n".join(lines)
    box = pen.multiline_textbbox((0, 0), text, font=font, spacing=unit)
    top = sketch.height - round(box[3] + unit * 4)
    pen.rectangle((0, top, sketch.width, sketch.height), fill=(0, 0, 0, 120))
    pen.multiline_text((margin, top + round(unit * 1.6)), text, font=font, fill=(255, 255, 255, 225), spacing=unit)
    return top


def _paste_references(
    canvas: Image.Image, pen: ImageDraw.ImageDraw, references: Sequence[Reference], unit: float, margin: int
) -> int:
    """Pastes references as framed thumbnails in one row, and returns the y where the rest may begin."""
    gap = round(unit * 3.5)
    edge = min(round(unit * 26), (canvas.width - 2 * margin + gap) // len(references) - gap)
    edge = max(edge, 8)
    font = _font(max(_FONT_SMALLEST, unit * 2.2))
    for index, reference in enumerate(references):
        x = margin + index * (edge + gap)
        frame = (x - unit, margin - unit, x + edge + unit, margin + edge + unit)
        pen.rounded_rectangle(frame, radius=unit * 1.5, fill=(255, 255, 255, 235))
        if reference.data is not None:
            with Image.open(io.BytesIO(reference.data)) as opened:
                opened.draft("RGB", (edge, edge))
                canvas.paste(ImageOps.fit(opened.convert("RGB"), (edge, edge)), (x, margin))
        else:
            label = "\n".join(_wrapped(pen, f"reference {reference.label}", font, edge))
            pen.multiline_text((x, margin + unit), label, font=font, fill=(30, 30, 40, 255))
    return round(margin + edge + unit * 3)


def _fitted(
    pen: ImageDraw.ImageDraw, prompt: str, room: tuple[int, int], unit: float
) -> tuple[str, ImageFont.ImageFont | ImageFont.FreeTypeFont, float]:
    """The prompt wrapped in the largest of a few sizes that fits the room; cut with an ellipsis when none does."""
    font, spacing, lines = _font(_FONT_SMALLEST), 0.0, [prompt]
    for factor in _TEXT_SIZES:
        font, spacing = _font(max(_FONT_SMALLEST, unit * factor)), unit * factor * 0.35
        lines = _wrapped(pen, prompt, font, room[0])
        box = pen.multiline_textbbox((0, 0), "\n".join(lines), font=font, spacing=spacing)
        if box[3] <= room[1] and box[2] <= room[0]:
            return "\n".join(lines), font, spacing
    line_height = pen.textbbox((0, 0), "Ag", font=font)[3] + spacing
    shown = lines[: max(1, int(room[1] / line_height))]
    return "\n".join([*shown[:-1], shown[-1][: max(1, len(shown[-1]) - 1)] + "…"]), font, spacing


def _wrapped(
    pen: ImageDraw.ImageDraw, text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: float
) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and pen.textlength(longer, font=font) > width:
            lines.append(line)
            line = word
        else:
            line = longer
        while pen.textlength(line, font=font) > width and len(line) > 1:
            cut = _fitting_prefix(pen, line, font, width)
            lines.append(line[:cut])
            line = line[cut:]
    return [*lines, line]


def _fitting_prefix(
    pen: ImageDraw.ImageDraw, line: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: float
) -> int:
    cut = len(line) - 1
    while cut > 1 and pen.textlength(line[:cut], font=font) > width:
        cut = cut * 3 // 4 if cut > 40 else cut - 1
    return max(1, cut)


def _visible(prompt: str) -> str:
    """The part of a prompt worth laying out: one long prompt must not cost seconds of measuring."""
    text = " ".join(prompt[:2000].split())[:600]
    return text or "(no prompt)"


def _font(size: float) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=size)
