"""Every route asked with what its part of the OpenAPI document allows and forbids, at length: do the answers agree?"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from app.cli.logs import set_up_logging
from tests.contract.runner import check
from tests.support.gateway import running_gateway

EXAMPLES: Final = 60
UNITS: Final = 2**50


async def run(*, seed: int, examples: int = EXAMPLES) -> tuple[str, list[str]]:
    """How much was asked, and what did not agree: a route and the complaint each."""
    with tempfile.TemporaryDirectory() as directory:
        async with running_gateway(
            Path(directory), grant_units=UNITS, wrong_keys_per_minute=10_000, key_concurrency=1000
        ) as gateway:
            admin = await check(gateway, "admin", examples=examples, seed=seed)
            client = await check(gateway, "client", examples=examples, seed=seed)
    return f"{admin.cases + client.cases} requests", [*admin.mismatches, *client.mismatches]


if __name__ == "__main__":
    set_up_logging(level="critical", form="json")
    print(*asyncio.run(run(seed=20261120)), sep="\n")
