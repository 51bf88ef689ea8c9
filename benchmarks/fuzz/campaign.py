"""All fuzzers in turn, each against its own gateway: two thirds bodies, a third raw bytes, and some vendors (F12)."""

import random
from pathlib import Path
from typing import Final

from app.cli.serving import serving
from app.main import create_app
from app.web.patience import ConnectionLimits
from benchmarks.fuzz import bodies, proxied, smuggling, straight, vendors, wire
from benchmarks.fuzz.figures import Figures
from benchmarks.fuzz.mutations import mutated_bytes
from tests.support.gateway import running_gateway

QUICK: Final = ConnectionLimits(header_s=0.5, body_idle_s=0.5, body_s=2, write_idle_s=1, linger_s=0.5)
VENDOR_SHARE: Final = 20
"""One in so many cases is an answer of a vendor: they draw pictures, and cost a hundred times a refusal."""
READERS_SHARE: Final = 10
"""One in so many is read by another reader too, and goes through nginx twice: each waits for what may not come."""


async def run(directory: Path, *, cases: int, seed: int) -> list[Figures]:
    """So many cases in all. `directory` is empty and ours."""
    return [
        await run_bodies(directory / "bodies", cases=cases * 2 // 3, seed=seed),
        await run_wire(directory / "wire", cases=cases // 3, seed=seed),
        await run_vendors(directory / "vendors", cases=cases // VENDOR_SHARE, seed=seed),
        await run_straight(cases=cases // READERS_SHARE, seed=seed),
        *([await run_proxied(directory / "proxied", cases=cases // READERS_SHARE, seed=seed)] if proxied.NGINX else []),
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


async def run_straight(*, cases: int, seed: int) -> Figures:
    """Requests that two readers might cut in two ways, and so many mutations, read by h11 too."""
    return await straight.run(_ambiguous(cases, seed), limits=QUICK, seed=seed)


async def run_proxied(directory: Path, *, cases: int, seed: int) -> Figures:
    """The same through nginx."""
    directory.mkdir(parents=True)  # noqa: ASYNC240 -- nothing else runs yet
    return await proxied.run(directory, _ambiguous(cases, seed), limits=QUICK, seed=seed)


def _ambiguous(mutated: int, seed: int) -> list[bytes]:
    """Those made by hand, and mutations of them and of valid requests."""
    by_hand, valid = smuggling.cases(), wire.seeds("sk-none")
    made = list(by_hand)
    for number in range(mutated):
        rng = random.Random(f"{seed}/{number}")
        made.append(mutated_bytes(rng, rng.choice((rng.choice(valid), rng.choice(by_hand))), wire.SPLICES))
    return made
