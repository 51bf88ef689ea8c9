"""Reads token counts as vendors write them, trusting none of them."""

from typing import Final, TypeGuard

from app.core.exchange import Json
from app.core.image import ImageUsage

_TOKENS_MAX: Final = 10**9


def plausible(value: Json) -> TypeGuard[int]:
    """Whether it can be a token count: null, text, negative numbers and 10^18 cannot (fault-cases F82)."""
    return type(value) is int and 0 <= value <= _TOKENS_MAX


def count(value: Json) -> int:
    """A token count; what is no plausible count is zero."""
    return value if plausible(value) else 0


def usage_of(usage: Json) -> ImageUsage:
    """Usage with the words of images (`input_tokens`, wire-facts 1.5) or of chat (`prompt_tokens`, 2.2)."""
    if not isinstance(usage, dict):
        return ImageUsage()
    details = usage.get("input_tokens_details") or usage.get("prompt_tokens_details")
    details = details if isinstance(details, dict) else {}
    return ImageUsage(
        input_tokens=count(usage.get("input_tokens", usage.get("prompt_tokens"))),
        output_tokens=count(usage.get("output_tokens", usage.get("completion_tokens"))),
        input_text_tokens=count(details.get("text_tokens")),
        input_image_tokens=count(details.get("image_tokens")),
    )
