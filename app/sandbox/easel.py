"""Makes the pictures of an order, and hands each over as a URL or as base64; plays the faults of stages `picture`,
`base64` and `link`."""

import asyncio
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import quote

import pybase64

from app.sandbox.draw import Sketch, draw
from app.sandbox.faults import staged
from app.sandbox.files import FileStore, LinkTrouble
from app.sandbox.orders import Order, Picture, PictureFormat

MIME_TYPES: Final[Mapping[PictureFormat, str]] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_SCRIPTED_SVG: Final = b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script></svg>'
_INSIDE: Final = "http://169.254.169.254/latest/meta-data/picture.png"
_TROUBLES: Final[Mapping[str, LinkTrouble]] = {
    "missing_file": "missing",
    "missing_first": "missing_first",
    "forbidden_file": "forbidden",
    "expired_file": "expired",
    "redirect_inside": "redirect_inside",
    "html_file": "html",
    "changing_file": "changing",
}


@dataclass(frozen=True, slots=True)
class Handed:
    """One picture on its way out: exactly one of `url` and `base64` is set. `base64` may be spoiled on purpose."""

    mime_type: str
    url: str | None = None
    base64: str | None = None

    @property
    def uri(self) -> str:
        """The URL, or a data URI around the base64."""
        return self.url if self.url is not None else f"data:{self.mime_type};base64,{self.base64}"


async def paint(order: Order, faults: frozenset[str]) -> list[Picture]:
    """Draws in threads, so that a 4K picture does not hold up other calls."""
    count = order.n + ("more_than_n" in faults) - ("fewer_than_n" in faults)
    return [await asyncio.to_thread(_picture, order, faults, variant) for variant in range(max(1, count))]


async def paint_draft(order: Order, *, width: int, height: int) -> Picture:
    """A small first draft of the first picture, in JPEG."""
    smaller = replace(order, width=width, height=height, format="jpeg")
    return await asyncio.to_thread(_picture, smaller, frozenset(), 0)


async def paint_partial(order: Order, index: int) -> Picture:
    """An earlier look of the first picture, in its final size and format; another one for each index."""
    return await asyncio.to_thread(_picture, order, frozenset(), -1 - index)


def hand_over(
    pictures: Sequence[Picture],
    files: FileStore,
    faults: frozenset[str],
    *,
    usually: Literal["url", "base64"],
    files_url: str,
    token: str | None = None,
) -> list[Handed]:
    """URLs under `files_url` or base64, as the vendor usually does unless a fault asks for the other."""
    if usually == "url" and staged(faults, "base64"):
        return [_inline(picture, faults) for picture in pictures]
    if usually == "base64" and not staged(faults, "link"):
        return [_inline(picture, faults) for picture in pictures]
    return [_linked(picture, files, faults, files_url=files_url, token=token) for picture in pictures]


def _picture(order: Order, faults: frozenset[str], variant: int) -> Picture:
    width, height = order.width, order.height
    if "small_picture" in faults:
        width, height = 8, 8
    elif "wrong_size" in faults:
        width = height = 640
    sketch = Sketch(
        prompt=order.prompt,
        footer=footer(order, width=width, height=height),
        width=width,
        height=height,
        variant=variant,
        references=order.references,
    )
    declared = MIME_TYPES[order.format]
    if "svg_picture" in faults:
        return Picture(_SCRIPTED_SVG, "image/svg+xml", 64, 64)
    if "html_picture" in faults:
        return Picture(b"<!doctype html><title>no picture</title>", declared, 0, 0)
    if "empty_picture" in faults:
        return Picture(b"", declared, 0, 0)
    drawn: PictureFormat = order.format
    if "wrong_mime" in faults:
        drawn = "jpeg" if order.format == "png" else "png"
    data = draw(sketch, drawn)
    if "truncated_picture" in faults:
        data = data[: len(data) // 2]
    return Picture(data, declared, width, height)


def footer(order: Order, *, width: int, height: int) -> str:
    """The line that says what this is: simulated, by whom, as which model, in which pixels, for which ratio."""
    ratio = order.ratio or "no ratio asked"
    return f"SIMULATED by Oneshape sandbox · {order.vendor} · {order.model} · {width}x{height} · {ratio}"


def _inline(picture: Picture, faults: frozenset[str]) -> Handed:
    text = pybase64.b64encode(picture.data).decode()
    if "bad_base64" in faults:
        text = "%%%" + text[:64] + "***"
    if "base64_urlsafe" in faults:
        text = text.translate(str.maketrans("+/", "-_"))
    if "base64_nopad" in faults:
        text = text.rstrip("=")
    if "base64_newlines" in faults:
        text = "\n".join(textwrap.wrap(text, 76))
    if "data_prefix_in_b64" in faults:
        text = f"data:{picture.mime_type};base64,{text}"
    if "double_data_prefix" in faults:
        text = f"data:{picture.mime_type};base64,data:{picture.mime_type};base64,{text}"
    return Handed(picture.mime_type, base64=text)


def _linked(picture: Picture, files: FileStore, faults: frozenset[str], *, files_url: str, token: str | None) -> Handed:
    if "inside_url" in faults:
        return Handed(picture.mime_type, url=_INSIDE)
    trouble = next((_TROUBLES[name] for name in sorted(faults & _TROUBLES.keys())), None)
    name = files.publish(picture, token=token, trouble=trouble)
    if "odd_url" in faults:
        joint = "&" if "?" in name else "?"
        name += f"{joint}X-Amz-Signature=ab%2Fcd&name={quote('猫')}(1).png&猫=1"
    return Handed(picture.mime_type, url=f"{files_url}/{name}")
