"""Small faults in a module's source, each alone: comparisons, conditions, arithmetic, constants, entries, lines."""

import ast
import copy
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

PAIRS: Final[tuple[tuple[type[ast.AST], type[ast.AST]], ...]] = (
    *((ast.Lt, ast.LtE), (ast.Gt, ast.GtE), (ast.Eq, ast.NotEq), (ast.In, ast.NotIn), (ast.Is, ast.IsNot)),
    *((ast.Add, ast.Sub), (ast.Mult, ast.FloorDiv), (ast.LShift, ast.RShift), (ast.And, ast.Or)),
)
SWAPS: Final = dict(PAIRS) | {second: first for first, second in PAIRS} | {ast.Mod: ast.FloorDiv}
LISTS: Final = (ast.Tuple, ast.List, ast.Set)
TELLING: Final = frozenset({"log", "warn", "info", "debug", "error"})
"""What a program says of itself is not what it does."""
TYPES: Final = frozenset({"Literal", "Callable", "Awaitable", "dict", "list", "tuple", "set"})
"""Generic types: what stands in their brackets is for the type checker."""
SQL: Final = re.compile(r"\s*(?:SELECT|INSERT|UPDATE)\s")
IN_SQL: Final = (
    *((" <> ", " = "), (" = ", " <> "), (" > ", " >= "), (" < ", " <= "), (" AND ", " OR "), (" OR ", " AND ")),
    *(("IS NULL", "IS NOT NULL"), (" NOT ", " "), (" IN (", " NOT IN ("), ("LEFT JOIN", "JOIN"), ("THEN -", "THEN ")),
    *((" -coalesce", " coalesce"), (" 0)", " 1)"), (" > 1 ", " > 2 "), (" WHERE ", " WHERE true OR ")),
)
"""Statements that are written out: what stands in the place of what, each occurrence alone."""

Change = Callable[[ast.AST], ast.AST | None]
"""Takes a node's copy and returns what stands in its place; None takes a statement away."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One change at one place: the ordinal of the node in the walk, and what is done to it."""

    node: int
    line: int
    about: str
    change: Change


def faults(source: str) -> Iterator[Fault]:
    """Every fault of a module, in the order of its lines."""
    for ordinal, (node, parent) in enumerate(_walk(ast.parse(source))):
        for about, change in _changes(node, parent):
            yield Fault(ordinal, getattr(node, "lineno", 0), about, change)


def faulty(source: str, fault: Fault) -> ast.Module:
    """The module with that fault."""
    module = ast.parse(source)
    node, parent = list(_walk(module))[fault.node]
    put = fault.change(copy.deepcopy(node)) or ast.Pass()
    for name, value in ast.iter_fields(parent):
        if value is node:
            setattr(parent, name, put)
        elif isinstance(value, list) and any(item is node for item in value):
            setattr(parent, name, [put if item is node else item for item in value])
    return ast.fix_missing_locations(module)


def _walk(module: ast.Module) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each node with its parent, without annotations, docstrings, decorators, and what is only said."""
    pending: list[tuple[ast.AST, ast.AST]] = [(child, module) for child in reversed(list(_children(module)))]
    while pending:
        node, parent = pending.pop()
        yield node, parent
        pending += [(child, node) for child in reversed(list(_children(node)))]


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params", "bases", "msg"):
            continue
        if isinstance(node, ast.Subscript) and _name(node.value) in TYPES:
            continue
        if isinstance(node, ast.Raise) and name in ("exc", "cause"):
            continue  # its words; that it is raised is a fault of its own
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_docstring(child):
                yield child


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, Change]]:
    yield from _changed_values(node, parent)
    match node:
        case ast.If() | ast.IfExp():
            yield "condition always true", _with_test(value=True)
            yield "condition always false", _with_test(value=False)
        case ast.Raise() | ast.AugAssign():
            yield "statement gone", lambda _: None
        case ast.Expr(value=ast.Call() | ast.Await() as value) if _name(value) not in TELLING:
            yield "statement gone", lambda _: None
        case ast.Call() if _name(node) in ("where", "and_"):
            for at in range(len(node.args)):
                yield f"condition {at} gone", _without_argument(at)


def _changed_values(node: ast.AST, parent: ast.AST) -> Iterator[tuple[str, Change]]:
    match node:
        case ast.Compare(ops=[op]) | ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in SWAPS:
            if not (isinstance(node, ast.BinOp) and isinstance(node.left, ast.Constant | ast.JoinedStr)):
                yield f"{type(op).__name__} -> {SWAPS[type(op)].__name__}", _swapped
        case ast.UnaryOp(op=ast.Not()):
            yield "not dropped", lambda copied: copied.operand  # type: ignore[attr-defined]  # it is what was matched
        case ast.Constant(value=bool(value)) if not isinstance(parent, ast.keyword) or parent.arg != "frozen":
            yield f"{value} -> {not value}", lambda copied: ast.Constant(not copied.value)  # type: ignore[attr-defined]
        case ast.Constant(value=int(value)):
            yield f"{value} -> {value + 1}", lambda copied: ast.Constant(copied.value + 1)  # type: ignore[attr-defined]
        case ast.Constant(value=str(value)) if SQL.match(value):
            for old, new in IN_SQL:
                for at, found in enumerate(re.finditer(re.escape(old), value)):
                    yield f"SQL {at}: {old}->{new}", _rewritten(found.span(), new)
        case _:
            pass
    if isinstance(node, LISTS) and len(node.elts) > 1 and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        for at in range(len(node.elts)):
            yield f"entry {at} gone", _without(at)


def _rewritten(span: tuple[int, int], new: str) -> Change:
    def change(copied: ast.AST) -> ast.AST:
        value: str = copied.value  # type: ignore[attr-defined]  # it is a text
        return ast.Constant(value[: span[0]] + new + value[span[1] :])

    return change


def _swapped(copied: ast.AST) -> ast.AST:
    if isinstance(copied, ast.Compare):
        copied.ops = [SWAPS[type(copied.ops[0])]()]  # type: ignore[list-item]  # a comparison for a comparison
    else:
        copied.op = SWAPS[type(copied.op)]()  # type: ignore[attr-defined]  # an operator for an operator
    return copied


def _with_test(*, value: bool) -> Change:
    def change(copied: ast.AST) -> ast.AST:
        copied.test = ast.Constant(value)  # type: ignore[attr-defined]  # it is an If
        return copied

    return change


def _without(at: int) -> Change:
    def change(copied: ast.AST) -> ast.AST:
        del copied.elts[at]  # type: ignore[attr-defined]  # it is one of LISTS
        return copied

    return change


def _without_argument(at: int) -> Change:
    def change(copied: ast.AST) -> ast.AST:
        del copied.args[at]  # type: ignore[attr-defined]  # it is a call
        return copied

    return change


def _name(node: ast.AST) -> str:
    """The last name of what is called or named."""
    call = node.value if isinstance(node, ast.Await) else node
    called = call.func if isinstance(call, ast.Call) else call
    return getattr(called, "attr", getattr(called, "id", ""))
