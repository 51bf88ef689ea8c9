"""Sets of scripted vendors, one of them sick: what is delivered, and how many calls it costs (promises 13 and 14).

The scenarios are those of the campaign, shorter. What is lost is what the breaker needs to learn: five failures of work
that may not be sent twice, and second tries beyond the budget.
"""

from functools import cache

import pytest

from benchmarks.routing import SCENARIOS, Report, scenario, simulate

REQUESTS = 600
DELIVERED = {
    "all in health": 1.0,
    "one refuses": 0.99,
    "one unreachable": 0.99,
    "one slow": 1.0,
    "one silent": 0.95,
    "one falls silent": 0.92,
    "one rate-limited": 1.0,
    "one answers text": 0.96,
    "one draws wrong sizes": 1.0,
    "one flaps": 0.97,
    "one comes back": 0.99,
}


@cache
def report_of(name: str) -> Report:
    return simulate(scenario(name, SCENARIOS[name](), seed=3, requests=REQUESTS))


@pytest.mark.parametrize("name", DELIVERED)
def test_a_sick_vendor_costs_little_and_no_call_is_made_in_vain(name: str) -> None:
    report = report_of(name)
    assert report.delivered >= DELIVERED[name], report
    assert report.calls_per_request <= 1.2, report


def test_in_a_total_outage_a_request_is_one_call_and_a_little() -> None:
    report = report_of("all refuse")
    assert report.delivered == 0
    assert report.calls_per_request <= 1.1, report


@pytest.mark.parametrize("name", ["one refuses", "one unreachable", "one answers text", "one draws wrong sizes"])
def test_a_sick_vendor_gets_its_five_failures_and_its_probes(name: str) -> None:
    """It has three fifths of the weight, and of the requests one in ten at most."""
    assert report_of(name).to_first <= 0.1


def test_a_vendor_that_falls_silent_is_found_out_in_half_a_minute_and_not_when_its_calls_time_out() -> None:
    """Its pictures take 12 s, its calls would time out after 180."""
    report = report_of("one falls silent")
    assert report.ejected_after_s is not None
    assert report.ejected_after_s <= 35, report


def test_what_is_asked_is_drawn_once_a_vendor_of_wrong_sizes_is_set_aside() -> None:
    """F77."""
    assert report_of("one draws wrong sizes").as_asked >= 0.96


def test_a_vendor_that_is_well_again_is_back_with_its_next_probe() -> None:
    report = simulate(scenario("one comes back", SCENARIOS["one comes back"](), seed=3, requests=1_000))
    assert report.back_after_s is not None
    assert report.back_after_s <= 160
    assert report.whole_after_s is not None
    assert report.whole_after_s - report.back_after_s >= 60, "slowly"
