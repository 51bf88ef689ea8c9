"""Money's arithmetic (L13): exact, in whole units, rounded where it is said and nowhere else."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.pricing import (
    MAX_UNITS,
    Price,
    TokenUsage,
    Units,
    billed_units,
    currency_of,
    images_charge,
    tokens_charge,
    units_of,
)

MOST = "9007199254.740991"
"""2^53 - 1 units."""


@pytest.mark.parametrize(
    ("amount", "units"), [("0", 0), ("-0", 0), ("0.134", 134_000), ("0.000001", 1), ("1e3", 10**9), (MOST, 2**53 - 1)]
)
def test_a_price_is_read_exactly(amount: str, units: int) -> None:
    assert units_of(amount) == units


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("", "decimal"),
        ("one", "decimal"),
        ("-0.000001", "zero or more"),
        ("NaN", "zero or more"),
        ("Infinity", "zero or more"),
        ("0.0000001", "finer"),
        ("9007199254.740992", "too large"),
    ],
)
def test_what_is_no_price_is_refused(amount: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        units_of(amount)


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        ("0.134", 134_000),
        ("-1.5", -1_500_000),
        ("0.0000005", 0),
        ("0.0000015", 2),
        (MOST, MAX_UNITS),
        ("-" + MOST, -MAX_UNITS),
    ],
)
def test_a_bill_is_rounded_to_the_nearest_unit(amount: str, units: int) -> None:
    assert billed_units(amount) == units


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        ("1e3", "such as"),
        (" 1", "such as"),
        ("٣", "such as"),
        ("9007199254.740992", "too large"),
        ("-" + "9" * 12, "too large"),
    ],
)
def test_what_is_no_amount_of_a_bill_is_refused(amount: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        billed_units(amount)


@pytest.mark.parametrize(
    ("units", "text"), [(0, "0"), (134_000, "0.134"), (10_000_000, "10"), (-1, "-0.000001"), (MAX_UNITS, MOST)]
)
def test_units_are_written_as_the_currency(units: int, text: str) -> None:
    assert currency_of(units) == text


@given(st.integers(0, MAX_UNITS))
def test_what_is_written_is_read_again(units: int) -> None:
    assert units_of(currency_of(units)) == units


def test_pictures_cost_their_number_times_the_price() -> None:
    assert [images_charge(Price(per_image=Units(7)), images) for images in (0, 1, 3)] == [0, 7, 21]
    assert images_charge(Price(), 3) == 0
    with pytest.raises(AssertionError):
        images_charge(Price(per_image=Units(7)), -1)


FULL = Price(
    per_request=Units(100),
    per_1m_input_tokens=Units(3_000_000),
    per_1m_cached_input_tokens=Units(2_000_000),
    per_1m_output_tokens=Units(5_000_000),
)


@pytest.mark.parametrize(
    ("price", "usage", "units"),
    [
        (FULL, TokenUsage(10, 4), 100 + 30 + 20),
        (FULL, TokenUsage(10, 4, 6), 100 + 12 + 12 + 20),
        (FULL, TokenUsage(10, 4, 99), 100 + 20 + 20),
        (FULL, TokenUsage(-5, -5, -5), 100),
        (FULL, TokenUsage(-5, 0, 5), 100),
        (Price(per_1m_input_tokens=Units(3_000_000)), TokenUsage(10, 4, 6), 30),
        (Price(per_1m_input_tokens=Units(3_000_000), per_1m_cached_input_tokens=Units(0)), TokenUsage(10, 4, 6), 12),
        (Price(per_1m_output_tokens=Units(1)), TokenUsage(10, 0), 0),
        (Price(per_1m_output_tokens=Units(1)), TokenUsage(10, 1), 1),
        (Price(per_1m_output_tokens=Units(1)), TokenUsage(10, 1_000_000), 1),
        (Price(per_1m_output_tokens=Units(1)), TokenUsage(10, 1_000_001), 2),
        (Price(per_request=Units(8)), TokenUsage(10, 4), 8),
        (Price(), TokenUsage(10, 4, 2), 0),
    ],
)
def test_tokens_are_charged_exactly_and_rounded_up_once(price: Price, usage: TokenUsage, units: int) -> None:
    assert tokens_charge(price, usage) == units


@given(*[st.integers(0, 10**9)] * 3, *[st.integers(0, 10**10)] * 3)
def test_no_charge_is_more_than_a_unit_above_the_exact_one(
    inputs: int, outputs: int, cached: int, fresh_price: int, cached_price: int, output_price: int
) -> None:
    cached = min(cached, inputs)
    price = Price(None, None, Units(fresh_price), Units(cached_price), Units(output_price))
    exact = (
        Decimal(inputs - cached) * fresh_price + Decimal(cached) * cached_price + Decimal(outputs) * output_price
    ) / 1_000_000
    assert exact <= tokens_charge(price, TokenUsage(inputs, outputs, cached)) < exact + 1
