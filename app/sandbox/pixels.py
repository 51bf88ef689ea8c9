"""Which pixels a simulated image model answers for a ratio and a tier. Facts only; no request parsing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Tier = Literal["512", "1K", "2K", "4K"]
Pixels = tuple[int, int]

STANDARD_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
ULTRA_RATIOS = ("1:4", "4:1", "1:8", "8:1")

# Google's output table as collected on 2026-11-20 (wire facts, section 4.3). Portrait rows; the other half is swapped.
_PORTRAIT: Mapping[str, tuple[Pixels, Pixels, Pixels, Pixels]] = {
    "1:1": ((512, 512), (1024, 1024), (2048, 2048), (4096, 4096)),
    "2:3": ((424, 632), (848, 1264), (1696, 2528), (3392, 5056)),
    "3:4": ((448, 600), (896, 1200), (1792, 2400), (3584, 4800)),
    "4:5": ((464, 576), (928, 1152), (1856, 2304), (3712, 4608)),
    "9:16": ((384, 688), (768, 1376), (1536, 2752), (3072, 5504)),
    "9:21": ((336, 792), (672, 1584), (1344, 3168), (2688, 6336)),
    "1:4": ((256, 1024), (512, 2048), (1024, 4096), (2048, 8192)),
    "1:8": ((192, 1536), (384, 3072), (768, 6144), (1536, 12288)),
}
_TIERS: tuple[Tier, ...] = ("512", "1K", "2K", "4K")

# The first generation has its own sizes (same section); ratios that it does not list keep the 1K column.
_FIRST_GENERATION: Mapping[str, Pixels] = {
    "2:3": (832, 1248),
    "3:4": (864, 1184),
    "4:5": (896, 1152),
    "9:16": (768, 1344),
    "9:21": (672, 1536),
}


@dataclass(frozen=True, slots=True)
class NanoModel:
    """One simulated Nano Banana model: which ratios it takes and which pixels it makes."""

    ratios: tuple[str, ...]
    tier: Tier
    first_generation: bool = False

    def pixels(self, ratio: str | None, *, tier: Tier | None = None) -> Pixels:
        """Width and height for a ratio this model takes (None: 1:1), at its own tier unless another is named."""
        asked = ratio or "1:1"
        assert asked in self.ratios, asked
        if self.first_generation:
            return _oriented(_FIRST_GENERATION, asked) or _table_pixels(asked, "1K")
        return _table_pixels(asked, tier or self.tier)


def nano(tier: Tier) -> NanoModel:
    """A model with the ten standard ratios at one tier."""
    return NanoModel(STANDARD_RATIOS, tier)


def nano_ultra(tier: Tier) -> NanoModel:
    """A model that also takes the four ultra-wide and ultra-tall ratios."""
    return NanoModel(STANDARD_RATIOS + ULTRA_RATIOS, tier)


def nano_first() -> NanoModel:
    """The first generation: standard ratios, its own pixel set, no tiers."""
    return NanoModel(STANDARD_RATIOS, "1K", first_generation=True)


def _table_pixels(ratio: str, tier: Tier) -> Pixels:
    column = _TIERS.index(tier)
    by_ratio = {known: row[column] for known, row in _PORTRAIT.items()}
    found = _oriented(by_ratio, ratio)
    assert found is not None, ratio
    return found


def _oriented(by_ratio: Mapping[str, Pixels], ratio: str) -> Pixels | None:
    if ratio in by_ratio:
        return by_ratio[ratio]
    across, down = ratio.split(":")
    swapped = by_ratio.get(f"{down}:{across}")
    return (swapped[1], swapped[0]) if swapped else None
