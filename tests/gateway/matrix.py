"""`python -m tests.gateway.matrix`: asks for all 80 cells and prints what came, a row per route and kind of request.

Exit code 1 when a cell is not a picture in the pixels that were asked for.
"""

# ruff: noqa: T201 -- a program that prints

import asyncio
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Final

import httpx

from app.cli.logs import set_up_logging
from tests.gateway.cells import DIALECTS, ROUTES, TALL, Cell, cells, picture_of
from tests.support.gateway import Running, running_gateway

WIDTH: Final = 16


async def run() -> list[str]:
    """Prints the table; the cells that failed, and why."""
    failed: list[str] = []
    print(f"{'':40}" + "".join(f"{dialect:{WIDTH}}" for dialect in DIALECTS))
    with tempfile.TemporaryDirectory() as directory:
        async with running_gateway(Path(directory)) as gateway:
            for label, row in groupby(sorted(cells(), key=_order), key=_label):
                shown = [await _cell(gateway, cell, failed) for cell in row]
                print(f"{label:40}" + "".join(f"{one:{WIDTH}}" for one in shown))
    total = sum(1 for _ in cells())
    print(f"{total - len(failed)} of {total} cells are pictures of {TALL[0]}x{TALL[1]}, decoded")
    return failed


def _order(cell: Cell) -> tuple[int, bool, bool]:
    return list(ROUTES).index(cell.route), cell.with_image, cell.inline


def _label(cell: Cell) -> str:
    given = "image and text" if cell.with_image else "text"
    if cell.route == "edits":
        given = "form" if cell.with_image else "json"
    answered = "b64_json" if cell.inline else "url"
    if cell.route == "gemini":
        answered = "whole" if cell.inline else "stream"
    return f"{cell.route}, {given}, {answered}"


async def _cell(gateway: Running, cell: Cell, failed: list[str]) -> str:
    try:
        size = await picture_of(gateway, cell)
    except (AssertionError, KeyError, httpx.HTTPError, OSError) as error:
        failed.append(f"{cell}: {error}")
        return "FAILED"
    if size != TALL:
        failed.append(f"{cell}: {size}")
    return f"{size[0]}x{size[1]}"


if __name__ == "__main__":
    set_up_logging(level="error", form="console")
    problems = asyncio.run(run())
    print("\n".join(problems))
    sys.exit(bool(problems))
