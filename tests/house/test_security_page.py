"""The table of hostile cases is whole, and what it says of its tests is true."""

import re
from typing import Final

import pytest

from tests.house.repository import ROOT, text

ROWS: Final = re.findall(r"^\| ([A-H]\d+) \| .*? \| (.*?) ?\| (.*) \|$", text("docs/security.md"), re.MULTILINE)


def test_every_case_has_one_row_in_order() -> None:
    assert [int(case[1:]) for case, _, _ in ROWS] == list(range(1, 101))


@pytest.mark.parametrize(("case", "tests", "result"), ROWS, ids=[case for case, _, _ in ROWS])
def test_a_case_that_holds_names_tests_that_cite_it(case: str, tests: str, result: str) -> None:
    assert result.split()[0].rstrip(":") in ("holds", "part", "open")
    named = re.findall(r"`([\w/]+\.py)`", tests)
    assert bool(named) == (not result.startswith("open"))
    letter, number = case[0], int(case[1:])
    for name in named:
        assert _cites((ROOT / "tests" / name).read_text("utf-8"), letter, number), f"{name} does not cite {case}"


def _cites(source: str, letter: str, number: int) -> bool:
    """Whether a test names the case, in a range (`B16-B36`, `d47_to_d50`) or in a table of faults that does."""
    if re.search(rf"\b{letter}{number}\b|_{letter.lower()}{number}_", source):
        return True
    ranges = re.findall(rf"{letter}(\d+)(?:-{letter}?|_to_{letter})(\d+)", source, re.IGNORECASE)
    return any(int(first) <= number <= int(last) for first, last in ranges)
