"""What operators and clients read is what the code does: error codes, dialect options and presets, row by row."""

import inspect
import re

import pytest

from app.core import errors
from app.core.catalog import Option
from app.core.errors import GatewayError
from app.dialects import DIALECTS
from app.gateway.catalog.builtin import presets
from tests.house.repository import text

ERRORS = [
    error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, GatewayError) and error.codes
]


def spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def row(name: str, option: Option) -> str:
    values = ", ".join(f"`{spelt(value)}`" for value in option.values)
    return f"| `{name}` | `{spelt(option.default)}` | {values}{' ' if values else ''}| {option.doc} |"


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_code_is_in_the_error_page_with_its_status_and_type(error: type[GatewayError]) -> None:
    codes = ", ".join(f"`{code}`" for code in sorted(error.codes))
    assert f"| {error.status} | `{error.type}` | {codes} |" in text("docs/errors.md")


def test_the_error_page_has_no_code_that_does_not_exist() -> None:
    rows = re.findall(r"^\| \d+ \| `\w+` \| (.*) \|$", text("docs/errors.md"), re.MULTILINE)
    assert {code for listed in rows for code in re.findall(r"`(\w+)`", listed)} == {c for e in ERRORS for c in e.codes}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_option_of_a_dialect_is_in_its_section_and_no_other(name: str) -> None:
    section = text("docs/vendors.md").partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    listed = [line for line in section.splitlines() if line.startswith("| `")]
    assert listed == [row(key, option) for key, option in DIALECTS[name].options.items()]


def test_every_preset_is_in_the_vendor_page_with_its_dialect_and_base_url() -> None:
    page = text("docs/vendors.md")
    known = presets()
    assert known
    for name, preset in known.items():
        assert isinstance(preset, dict)
        assert f"| `{name}` | `{preset['dialect']}` | `{preset['base_url']}` |" in page
