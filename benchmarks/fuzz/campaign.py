"""All fuzzers in turn, each against its own gateway: two thirds bodies, a third raw bytes, and some vendors (F12)."""

from pathlib import Path
from typing import Final

from app.cli.serving import serving
from app.main import create_app
from app.web.patience import ConnectionLimits
from benchmarks.fuzz import bodies, vendors, wire
from benchmarks.fuzz.figures import Figures
from tests.support.gateway import running_gateway

QUICK: Final = ConnectionLimits(header_s=0.5, body_idle_s=0.5, body_s=2, write_idle_s=1, linger_s=0.5)
VENDOR_SHARE: Final = 20
"""One in so many cases is an answer of a vendor: they draw pictures, and cost a hundred times a refusal."""


async def run(directory: Path, *, cases: int, seed: int) -> list[Figures]:
    """So many cases in all. `directory` is empty and ours."""
    return [
        await run_bodies(directory / "bodies", cases=cases * 2 // 3, seed=seed),
        await run_wire(directory / "wire", cases=cases // 3, seed=seed),
        await run_vendors(directory / "vendors", cases=cases // VENDOR_SHARE, seed=seed),
    ]


async def run_bodies(directory: Path, *, cases: int, seed: int) -> Figures:
    """Requests that clients might send."""
    async with running_gateway(directory, wrong_keys_per_minute=10_000) as gateway:
        return await bodies.run(gateway, cases=cases, seed=seed)


async def run_wire(directory: Path, *, cases: int, seed: int) -> Figures:
    """Bytes that might arrive."""
    async with running_gateway(directory, wrong_keys_per_minute=10_000) as gateway:
        key = await gateway.new_key(grant_units=0)
        async with serving(create_app(gateway.services), limits=QUICK, keep_alive_s=1) as url:
            return await wire.run(url, key, cases=cases, seed=seed)


async def run_vendors(directory: Path, *, cases: int, seed: int) -> Figures:
    """Answers that vendors might give."""
    async with (
        vendors.spoiled_vendors(seed) as (source, _),
        running_gateway(directory, source=source, grant_units=10**12, breaker_failures=1000) as gateway,
    ):
        return await vendors.run(gateway, cases=cases, seed=seed)
