"""Reads a vendor's bill: a CSV of lines, each an amount for a piece of work that the vendor names, or for a day's."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from app.core.errors import InvalidRequest
from app.core.pricing import billed_units

LINES_MAX: Final = 100_000
BYTES_MAX: Final = 16 * 2**20
ERRORS_MAX: Final = 20
_WORD_MAX: Final = 200

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "reference": ("reference", "task_id", "request_id", "generation_id", "order_id", "id"),
    "time": ("time", "timestamp", "created_at", "date", "day"),
    "model": ("model", "model_name"),
    "quantity": ("quantity", "images", "count", "requests"),
    "amount": ("amount", "cost", "price", "charge", "total"),
    "units": ("units",),
}
"""What a column may be called, in any case, with spaces or underscores. Of several the first counts; others are not
read."""

_NUMBER: Final = re.compile(r"[0-9]{9,16}(?:\.[0-9]{1,9})?", re.ASCII)
_MILLISECONDS_FROM: Final = 10**11
_UNITS: Final = re.compile(r"-?[0-9]{1,15}", re.ASCII)
_COUNT: Final = re.compile(r"[0-9]{1,12}", re.ASCII)


class BillInvalid(InvalidRequest):
    """A bill that cannot be read; `errors` are all that is wrong, up to 20, each with its line."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__("The bill cannot be read: " + "; ".join(errors))
        self.errors = tuple(errors)


@dataclass(frozen=True, slots=True)
class BilledLine:
    """One line. `line` counts from 1 with the header; `at` is unix seconds; `reference` the vendor's id of the work."""

    line: int
    at: float | None
    model: str | None
    reference: str | None
    quantity: int | None
    units: int


def read_bill(content: bytes) -> list[BilledLine]:
    """The lines of a bill in UTF-8, its columns divided by commas, semicolons or tabs. Raises: BillInvalid."""
    if len(content) > BYTES_MAX:
        raise BillInvalid([f"it is larger than {BYTES_MAX >> 20} MiB"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BillInvalid([f"it is not UTF-8 at byte {error.start}"]) from error
    head = text.partition("\n")[0]
    divider = max(",;\t", key=head.count)
    rows = csv.reader(io.StringIO(text), delimiter=divider, strict=True)
    try:
        columns = _columns(next(rows, []))
        return list(_lines(rows, columns))
    except csv.Error as error:
        raise BillInvalid([f"line {rows.line_num}: {error}"]) from error


def _columns(head: list[str]) -> dict[str, int]:
    """Where each of the columns is. Raises: BillInvalid."""
    names = [re.sub(r"[\s_-]+", "_", name.strip().lower()) for name in head]
    found = {
        column: names.index(next(name for name in called if name in names))
        for column, called in COLUMNS.items()
        if any(name in names for name in called)
    }
    if "amount" not in found and "units" not in found:
        raise BillInvalid([f"line 1: there is no column {' or '.join(map(repr, COLUMNS['amount']))}"])
    return found


def _lines(rows: Iterator[list[str]], columns: Mapping[str, int]) -> Iterator[BilledLine]:
    errors: list[str] = []
    count = 0
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        count += 1
        if count > LINES_MAX:
            raise BillInvalid([f"it has more than {LINES_MAX} lines; divide it"])
        said = {name: row[place].strip() if place < len(row) else "" for name, place in columns.items()}
        try:
            line = _line(number, said)
        except ValueError as error:
            errors.append(f"line {number}: {error}")
            if len(errors) == ERRORS_MAX:
                break
        else:
            yield line
    if errors:
        raise BillInvalid(errors)
    if not count:
        raise BillInvalid(["it has no lines"])


def _line(number: int, said: Mapping[str, str]) -> BilledLine:
    """Raises: ValueError."""
    return BilledLine(
        line=number,
        at=_time(said.get("time", "")),
        model=_word(said.get("model", "")),
        reference=_word(said.get("reference", "")),
        quantity=_quantity(said.get("quantity", "")),
        units=_units(said["units"]) if said.get("units") else billed_units(said.get("amount", "")),
    )


def _word(text: str) -> str | None:
    if len(text) > _WORD_MAX:
        raise ValueError(f"{text[:40]!r} is longer than {_WORD_MAX} characters")
    return text or None


def _units(text: str) -> int:
    if not _UNITS.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a number of units")
    return int(text)


def _quantity(text: str) -> int | None:
    if text and not _COUNT.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a whole quantity")
    return int(text) if text else None


def _time(text: str) -> float | None:
    """A day, a moment (UTC where no zone is said), or unix seconds or milliseconds."""
    if not text:
        return None
    if _NUMBER.fullmatch(text):
        value = float(text)
        return value / 1000 if value >= _MILLISECONDS_FROM else value
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not a time such as 2026-11-20 or 2026-11-20T16:53:47Z") from None
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
