"""House rules about code that the linters cannot say: sizes, vendors' names, patching."""

import ast
from pathlib import Path
from typing import Final

from tests.house.repository import place, python_files, strings, tree

MAX_FILE_LINES: Final = 400
MAX_FUNCTION_LINES: Final = 60
CODE: Final = ("app", "migrations", "tests", "benchmarks")
VENDORS: Final = ("uniall", "infinityblue", "ccapi")
# Where a vendor's name is data: the simulated vendors, and the tour that shows them.
MAY_NAME_VENDORS: Final = ("app/sandbox/", "app/cli/demo")
PATCHING: Final = {"mock", "unittest.mock", "pytest_mock", "responses", "freezegun", "time_machine"}
PATCHING_ATTRIBUTES: Final = {
    ("monkeypatch", "setattr"),
    ("monkeypatch", "delattr"),
    ("monkeypatch", "setitem"),
    ("respx", "mock"),
}

MONEY_VERBS: Final = {"ledger": {"hold", "capture", "release", "grant", "adjust"}, "bookings": {"book", "end_lost"}}
"""What moves money, by the module of `app.store` that has it."""
MAY_MOVE_MONEY: Final = (
    "app/store/",
    "app/gateway/admission.py",
    "app/gateway/settlement.py",
    "app/gateway/accounts.py",
    "app/gateway/chat_books.py",
    "app/gateway/lost_texts.py",
)


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*CODE)}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{place(path, node.lineno)} {node.name}: {lines}"
        for path in python_files(*CODE)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_code_never_names_a_vendor() -> None:
    named = [
        f"{place(path, string.lineno)} {string.value!r}"
        for path in python_files("app")
        if not place(path).startswith(MAY_NAME_VENDORS)
        for string in strings(tree(path))
        if isinstance(string.value, str) and any(vendor in string.value.lower() for vendor in VENDORS)
    ]
    assert named == []


def test_money_moves_only_in_admission_settlement_accounts_and_the_books_of_text() -> None:
    found = [found for path in python_files("app") for found in _moves_money(path)]
    assert [name for name in found if not name.startswith(MAY_MOVE_MONEY)] == []
    assert found


def test_tests_patch_nothing() -> None:
    assert [found for path in python_files("tests", "benchmarks") for found in _patching(path)] == []


def _moves_money(path: Path) -> list[str]:
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.store."):
            verbs = MONEY_VERBS.get((node.module or "").removeprefix("app.store."), set())
            found += [place(path, node.lineno) for alias in node.names if alias.name in verbs]
        elif isinstance(node, ast.ImportFrom) and node.module == "app.store":
            # Under another name the verbs below would not be seen.
            found += [place(path, node.lineno) for alias in node.names if alias.name in MONEY_VERBS and alias.asname]
        elif isinstance(node, ast.Attribute) and node.attr in _verbs_of(node.value):
            found.append(place(path, node.lineno))
    return found


def _verbs_of(node: ast.expr) -> set[str]:
    """The verbs of the module that is named: `ledger`, `store.ledger` or `app.store.ledger`."""
    before, _, module = ast.unparse(node).rpartition(".")
    return MONEY_VERBS.get(module, set()) if before in ("", "store", "app.store") else set()


def _patching(path: Path) -> list[str]:
    found = []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            bad = any(alias.name in PATCHING for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            bad = node.module in PATCHING or (node.module == "unittest" and any(a.name == "mock" for a in node.names))
        elif isinstance(node, ast.Attribute):
            bad = isinstance(node.value, ast.Name) and (node.value.id, node.attr) in PATCHING_ATTRIBUTES
        else:
            bad = isinstance(node, ast.arg) and node.arg == "mocker"
        if bad:
            found.append(place(path, getattr(node, "lineno", 1)))
    return found
