"""Colours can be told apart: WCAG 2.2, level AA, computed from the style sheet for the light and for the dark."""

import re
from typing import Final

import pytest

from tests.console.support import STATIC

_PAIR: Final = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
COLOURS: Final = {name: pair for name, *pair in _PAIR.findall((STATIC / "css/base.css").read_text("utf-8"))}
GROUNDS: Final = ("page", "card", "raised", "sunken")
TONES: Final = ("good", "bad", "warn", "busy", "accent")
WORDS: Final = [
    *((word, ground) for word in ("text", "muted", *TONES) for ground in GROUNDS),
    *((word, f"{tone}-soft") for tone in TONES for word in ("text", tone)),
    ("accent-text", "accent"),
]
SHAPES: Final = [(shape, ground) for shape in ("line-strong", "accent", "chart-1", "chart-2") for ground in GROUNDS[:2]]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_have_a_contrast_of_4_5(scheme: int) -> None:
    """Success criterion 1.4.3."""
    assert {pair: found for pair in WORDS if (found := contrast(*pair, scheme)) < 4.5} == {}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_borders_of_fields_rings_and_bars_have_a_contrast_of_3(scheme: int) -> None:
    """Success criterion 1.4.11."""
    assert {pair: found for pair in SHAPES if (found := contrast(*pair, scheme)) < 3} == {}


def contrast(one: str, other: str, scheme: int) -> float:
    """The contrast ratio of two colours (WCAG 2.2, definition of contrast ratio)."""
    lighter, darker = sorted((_luminance(COLOURS[name][scheme]) for name in (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
