"""Money: integer units, and the only arithmetic on them."""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Final, NewType

Units = NewType("Units", int)
"""Millionths of the billing currency. Never a float."""

UNITS_PER_CURRENCY: Final = 1_000_000
MAX_UNITS: Final = 2**53 - 1
"""The largest amount anywhere: what a JSON number holds exactly in every client."""
_AMOUNT: Final = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{0,18})?", re.ASCII)


def units_of(amount: str) -> Units:
    """A decimal text such as "0.134" as units.

    Raises:
        ValueError: not a decimal number, negative, finer than a unit, or too large.
    """
    try:
        value = Decimal(amount) * UNITS_PER_CURRENCY
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not a decimal number") from None
    if not value.is_finite() or value < 0:
        raise ValueError(f"{amount!r} is not a price: it must be a finite number, zero or more")
    if value != value.to_integral_value():
        raise ValueError(f"{amount!r} is finer than a millionth of the currency")
    if value > MAX_UNITS:
        raise ValueError(f"{amount!r} is too large")
    return Units(int(value))


def billed_units(amount: str) -> int:
    """What a vendor bills, as units: negative where it pays back; finer than a unit is rounded to the nearest.

    Raises:
        ValueError: not a plain decimal number, or too large.
    """
    if not _AMOUNT.fullmatch(amount):
        raise ValueError(f"{amount[:40]!r} is not an amount such as 0.134")
    units = int((Decimal(amount) * UNITS_PER_CURRENCY).to_integral_value(ROUND_HALF_EVEN))
    if abs(units) > MAX_UNITS:
        raise ValueError(f"{amount!r} is too large")
    return units


def currency_of(units: int) -> str:
    """Units as a decimal text of the currency, without trailing zeros: 134000 is "0.134"."""
    return f"{Decimal(units).scaleb(-6):f}".rstrip("0").rstrip(".")


@dataclass(frozen=True, slots=True)
class TokenUsage:
    """Tokens of one text answer. `cached_input_tokens` are part of `input_tokens`."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What a model costs a client, or a target costs us. None: that part is not priced.

    Token prices are kept exact, as units per million tokens.
    """

    per_image: Units | None = None
    per_request: Units | None = None
    per_1m_input_tokens: Units | None = None
    per_1m_cached_input_tokens: Units | None = None
    per_1m_output_tokens: Units | None = None


def images_charge(price: Price, images: int) -> Units:
    """The charge for that many pictures: the ceiling for those asked for, the capture for those delivered."""
    assert images >= 0
    return Units((price.per_image or 0) * images)


def tokens_charge(price: Price, usage: TokenUsage) -> Units:
    """The charge for a text answer, computed exactly and rounded up once, to a whole unit."""
    cached = min(max(usage.cached_input_tokens, 0), max(usage.input_tokens, 0))
    fresh = max(usage.input_tokens, 0) - cached
    input_price = price.per_1m_input_tokens or 0
    cached_price = price.per_1m_cached_input_tokens if price.per_1m_cached_input_tokens is not None else input_price
    millionths = (
        fresh * input_price + cached * cached_price + max(usage.output_tokens, 0) * (price.per_1m_output_tokens or 0)
    )
    return Units((price.per_request or 0) + -(-millionths // 1_000_000))
