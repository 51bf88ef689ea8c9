"""What is wrong with, or worth saying about, a catalog: told with the place where it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the document to a value."""

Lines = Mapping[Path, int]
"""The line of each value, from 1. Empty for documents that have no lines of their own."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One error or warning. `path` is spelt `models[3].price.per_image`; `line` is None when there are no lines."""

    path: str
    line: int | None
    message: str

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line is not None else ""
        place = f"{self.path} ({line})" if self.path and line else self.path or line
        return f"{place}: {self.message}" if place else self.message


class CatalogInvalid(Exception):
    """A catalog that cannot be used, with everything that is wrong with it, in the order of the document."""

    def __init__(self, errors: Sequence[Finding]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class Findings:
    """Collects findings while a document is read."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._found: list[tuple[Path, str]] = []

    def add(self, path: Path, message: str) -> None:
        """Notes `message` at `path`."""
        self._found.append((path, message))

    def untouched(self, path: Path) -> bool:
        """Whether nothing was noted at `path` or inside it."""
        return not any(noted[: len(path)] == path for noted, _ in self._found)

    def all(self) -> list[Finding]:
        """Everything noted, each at its line, in the order of lines and otherwise as noted."""
        findings = [Finding(spell(path), line_of(path, self._lines), message) for path, message in self._found]
        return sorted(findings, key=lambda finding: finding.line or 0)

    def place(self, path: Path) -> str:
        """A path as told to an operator, with its line."""
        line = line_of(path, self._lines)
        return spell(path) + (f" (line {line})" if line is not None else "")


def spell(path: Path) -> str:
    """A path as it is written in messages: `("models", 3, "id")` is `models[3].id`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def line_of(path: Path, lines: Lines) -> int | None:
    """The line of a value, or of the nearest value around it that is written down."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path)
