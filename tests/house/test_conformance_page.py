"""The page of request fields and vendor behaviours is whole, and the tests and faults that it names are there."""

import ast
import re
from typing import Final

import pytest

from app.sandbox.faults import FAULTS
from tests.house.repository import ROOT, text, tree

PAGE: Final = text("docs/conformance.md")
FIELDS_PART, _, VENDORS_PART = PAGE.partition("\n## What vendors do\n")
FIELDS: Final = re.findall(r"^\| ((?:`\w+`(?:, )?)+|[a-zJSON ]+) \| (.+) \| (.*) \|$", FIELDS_PART, re.MULTILINE)
BEHAVIOURS: Final = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \| (.+) \|$", VENDORS_PART, re.MULTILINE)
NAMED: Final = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))

CONTRACT: Final = (
    *("model", "prompt", "inputs", "mask", "n", "aspect_ratio", "resolution", "size", "output_format"),
    *("output_compression", "response_format", "task_type", "stream", "webhook_url", "metadata", "user"),
    *("quality", "background", "style", "moderation", "seed", "input_fidelity", "safety_identifier"),
)
"""The rows of the contract's table of image request fields."""


def test_every_field_of_the_contract_has_a_row_and_every_row_a_test() -> None:
    rows = [row for row in FIELDS if row[0] != "field"]
    assert tuple(name for row in rows for name in re.findall(r"`(\w+)`", row[0])) == CONTRACT
    assert [row[0] for row in rows if "`" not in row[0]] == ["two spellings", "anything else", "what is no JSON"]
    assert all("::" in row[2] for row in rows)


def test_every_behaviour_has_a_row_in_order_and_every_row_a_test() -> None:
    assert [int(row[0]) for row in BEHAVIOURS] == list(range(1, 28))
    assert [row[0] for row in BEHAVIOURS if "::" not in row[4]] == []


@pytest.mark.parametrize(("file", "name"), NAMED, ids=[name for _, name in NAMED])
def test_a_named_test_is_there(file: str, name: str) -> None:
    tests = {
        node.name
        for node in ast.walk(tree(ROOT / "tests" / file))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert name in tests


@pytest.mark.parametrize("row", BEHAVIOURS, ids=[f"row {row[0]}" for row in BEHAVIOURS])
def test_a_behaviour_names_the_faults_that_say_they_produce_it(row: tuple[str, ...]) -> None:
    number, named, shown_by = row[0], set(re.findall(r"`(\w+)`", row[3])), row[4]
    assert named <= FAULTS.keys()
    citing = {name for name, fault in FAULTS.items() if f"5.{number}" in fault.cases.split()}
    assert citing == named
    assert bool(named) == (row[3] != "-")
    recorded = list((ROOT / "tests" / "dialects" / "golden").glob(f"*/row_{int(number):02}_*.json"))
    assert bool(recorded) == shown_by.startswith("golden")
