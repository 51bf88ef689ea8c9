"""The repository as the house tests see it: its files and their syntax trees. Nothing here is imported or run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def python_files(*rooms: str) -> list[Path]:
    """Every Python file below the named directories of the repository, in a stable order."""
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def tree(path: Path) -> ast.Module:
    """The syntax tree of one Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def place(path: Path, line: int = 1) -> str:
    """`path:line` from the root of the repository, as editors and people like to read it."""
    return f"{path.relative_to(ROOT)}:{line}"


def text(name: str) -> str:
    """The content of one file, named from the root of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def strings(module: ast.Module) -> Iterator[ast.Constant]:
    """Every string literal of a module but docstrings and their like, which may say where a fact was seen."""
    explaining = {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}
    for node in ast.walk(module):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in explaining:
            yield node
