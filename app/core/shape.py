"""Ratios, resolutions and sizes: the one place that knows how a size in pixels relates to a ratio and a tier."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Resolution = Literal["0.5K", "1K", "2K", "4K"]
RESOLUTIONS: Final[tuple[Resolution, ...]] = ("0.5K", "1K", "2K", "4K")

STANDARD_RATIOS: Final = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
ULTRA_RATIOS: Final = ("1:4", "4:1", "1:8", "8:1")

RATIO_TOLERANCE: Final = 0.05
"""How far a size may be from an allowed ratio and still mean it (contract, request fields, `size`)."""

_SPELLINGS: Final[dict[str, Resolution]] = {
    "0.5K": "0.5K",
    "512": "0.5K",
    "512PX": "0.5K",
    "1K": "1K",
    "2K": "2K",
    "4K": "4K",
}
_SIDE_PX: Final[dict[Resolution, int]] = {"0.5K": 512, "1K": 1024, "2K": 2048, "4K": 4096}
_RATIO = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")
_SIZE = re.compile(r"([1-9]\d{0,4})[xX×]([1-9]\d{0,4})")

# Pixels at 1K of the Nano Banana family (wire-facts 4.3); 2K and 4K are exact multiples.
_PIXELS_1K: Final[dict[str, tuple[int, int]]] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:4": (896, 1200),
    "4:5": (928, 1152),
    "9:16": (768, 1376),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "1:8": (384, 3072),
}
_PIXELS_HALF_K: Final[dict[str, tuple[int, int]]] = {
    "1:1": (512, 512),
    "2:3": (424, 632),
    "3:4": (448, 600),
    "4:5": (464, 576),
    "9:16": (384, 688),
    "21:9": (792, 336),
    "1:4": (256, 1024),
    "1:8": (192, 1536),
}


@dataclass(frozen=True, slots=True)
class Size:
    """A picture's width and height in pixels."""

    width: int
    height: int

    @property
    def ratio(self) -> float:
        """Width divided by height."""
        return self.width / self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def parse_resolution(text: str) -> Resolution | None:
    """The tier a client means, in any case, `512` and `512px` being `0.5K`; None when it is no tier."""
    return _SPELLINGS.get(text.strip().upper())


def parse_ratio(text: str) -> float | None:
    """Width over height of a `W:H` text; None when it is not written so."""
    match = _RATIO.fullmatch(text)
    return int(match[1]) / int(match[2]) if match else None


def parse_size(text: str) -> Size | None:
    """A `WxH` text as a size; None when it is not written so."""
    match = _SIZE.fullmatch(text)
    return Size(int(match[1]), int(match[2])) if match else None


def nearest_ratio(size: Size, allowed: Iterable[str]) -> str | None:
    """The allowed ratio nearest to a size by logarithmic distance; None when the nearest is more than 5 % off."""
    best: tuple[float, str] | None = None
    for text in allowed:
        ratio = parse_ratio(text)
        if ratio is not None:
            distance = abs(math.log(size.ratio / ratio))
            if best is None or distance < best[0]:
                best = (distance, text)
    if best is None or best[0] > math.log(1 + RATIO_TOLERANCE):
        return None
    return best[1]


def nearest_resolution(size: Size, allowed: Iterable[Resolution]) -> Resolution | None:
    """The allowed tier whose square has the nearest area, by logarithmic distance; None when none is allowed."""
    side = math.sqrt(size.width * size.height)
    return min(allowed, key=lambda tier: abs(math.log(side / _SIDE_PX[tier])), default=None)


def pixels(ratio: str, resolution: Resolution) -> Size:
    """The size that a ratio and a tier usually mean: the Nano Banana table where it has the ratio, else the same area.

    Raises:
        ValueError: when `ratio` is not written `W:H`.
    """
    table, factor = (_PIXELS_HALF_K, 1) if resolution == "0.5K" else (_PIXELS_1K, _SIDE_PX[resolution] // 1024)
    width, height = (int(part) for part in ratio.split(":"))
    if (found := table.get(ratio)) is not None:
        return Size(found[0] * factor, found[1] * factor)
    if (found := table.get(f"{height}:{width}")) is not None:
        return Size(found[1] * factor, found[0] * factor)
    side = _SIDE_PX[resolution]
    root = math.sqrt(width / height)
    return Size(_to_16(side * root), _to_16(side / root))


def _to_16(value: float) -> int:
    return max(16, round(value / 16) * 16)
