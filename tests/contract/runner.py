"""Runs schemathesis against a gateway that is running, and tells what it found. No fixtures."""

import asyncio
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from tests.support.gateway import ADMIN_KEY, Running

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
PATHS: Final = {"admin": "^/admin|^/metrics|^/openapi", "client": "^/v1|^/healthz|^/readyz"}


@dataclass(frozen=True, slots=True)
class Findings:
    """How many requests were made, and what did not agree with the document."""

    cases: int
    mismatches: tuple[str, ...]
    output: str


async def check(
    gateway: Running, side: Literal["admin", "client"], *, examples: int, seed: int, phases: str = "coverage,fuzzing"
) -> Findings:
    """Requests of one side's routes, made of the document; `examples` for each route, by `seed`.

    Raises: AssertionError: schemathesis did not get to its end.
    """
    # A key of its own: what is made of the admin routes revokes whichever keys it learns of.
    key = ADMIN_KEY if side == "admin" else await gateway.new_key()
    document = gateway.directory / "openapi.json"
    async with gateway.client(headers={"authorization": f"Bearer {ADMIN_KEY}"}) as admin:
        document.write_bytes((await admin.get("/openapi.json")).content)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"),
        *(str(document), "--url", gateway.url),
        *("--header", f"Authorization: Bearer {key}"),
        *("--include-path-regex", PATHS[side]),
        *("--phases", phases, "--max-examples", str(examples), "--seed", str(seed), "--workers", "1", "--no-color"),
        *("--continue-on-failure", "--warnings", "off"),
        cwd=gateway.directory,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.contract.hooks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told, _ = await process.communicate()
    output = told.decode("utf-8", "replace")
    counted = re.search(r"(\d+) generated", output)
    assert process.returncode in (0, 1), output[-4000:]
    assert counted is not None, output[-4000:]
    return Findings(int(counted[1]), tuple(_mismatches(output)), output)


def _mismatches(output: str) -> list[str]:
    """Route and complaint of each failure."""
    found, route = [], ""
    for line in output.splitlines():
        if heading := re.fullmatch(r"_{3,} (\S+ /\S*) _{3,}", line):
            route = heading[1]
        elif complaint := re.match(r"- (ST\d+ .*)", line):
            found.append(f"{route}: {complaint[1]}")
    return found
