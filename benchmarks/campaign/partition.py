"""F16: a process whose network loses the database and nothing else, and finds it again; another one does its work."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from typing import Final

import httpx
from sqlalchemy import make_url

from app.cli.sandboxed import sandboxed_catalog
from benchmarks.campaign import network
from benchmarks.campaign.crowd import Crowd
from benchmarks.campaign.network import CLIENT_SIDE, DATABASE_SIDE, INSIDE, NETWORKS, Network
from benchmarks.campaign.replicas import CLIENTS, RECOVERED_S, URL, Judged, Told, judge, seen
from benchmarks.campaign.world import LEASE_S, Gateway, World
from tests.support.relay import relaying

CUT_S: Final = 4.0 * LEASE_S
"""Long enough for every lease to run out and for others to finish the work."""


async def partition(home: World, *, rounds: int) -> Told:
    """Cuts one of two processes off the database, `rounds` times, while both are at work."""
    async with network.network() as apart, AsyncExitStack() as stack:
        if apart is None:
            return "SKIPPED: this needs the right to make network namespaces (root, and ip)", []
        inside, outside = await _two_processes(home, apart, stack)
        crowd = Crowd(lambda: [inside, outside], "partition")
        asking = asyncio.create_task(crowd.ask(CLIENTS))
        wrong: list[str] = []
        refused = 0
        for number in range(rounds):
            await asyncio.sleep(2.0)
            await apart.cut_database()
            cut_at = time.monotonic()
            await asyncio.sleep(CUT_S)
            status = await _asked(inside, f"cut {number}")
            refused += status == 503
            wrong += [] if status == 503 else [f"answered {status} without a database"]
            await apart.heal_database()
            if not await seen(lambda at=number: _serves(inside, at), within_s=4 * RECOVERED_S):  # type: ignore[misc]
                wrong.append(f"does not serve after it was healed, {time.monotonic() - cut_at:.0f} s after the cut")
        crowd.stop()
        await asking
        await asyncio.sleep(2 * LEASE_S)  # what it still believed to be its own is settled, or found to be lost
        figures, wrong = await judge(home, Judged(crowd, [inside, outside], wrong))
    return f"{rounds} cuts of {CUT_S:.0f} s, {refused} of them answered 503 at the one cut off, {figures}", wrong


async def _two_processes(home: World, apart: Network, stack: AsyncExitStack) -> tuple[Gateway, Gateway]:
    """One in the namespace and one outside, with the same vendors at an address that both reach."""
    vendors, url = httpx.URL(home.sandbox_url), make_url(home.database_url)
    to_vendors = await stack.enter_async_context(relaying("127.0.0.1", vendors.port or 80, at=CLIENT_SIDE))
    to_database = await stack.enter_async_context(relaying(url.host or "127.0.0.1", url.port or 5432, at=DATABASE_SIDE))
    catalog = sandboxed_catalog(f"http://{CLIENT_SIDE}:{to_vendors.port}")
    (home.directory / "catalog.yaml").write_text(catalog)
    home.environment["ONESHAPE_ALLOW_PRIVATE_NETWORKS"] = f"127.0.0.0/8,{NETWORKS}"
    outside = await home.start()
    usual = dict(home.environment)
    home.environment |= {
        URL: url.set(host=DATABASE_SIDE, port=to_database.port).render_as_string(hide_password=False),
        "ONESHAPE_HOST": INSIDE,
        network.VARIABLE: apart.name,
    }
    inside = await home.start()
    home.environment.clear()
    home.environment.update(usual)
    return inside, outside


async def _asked(gateway: Gateway, prompt: str) -> int:
    """The status of one request for a picture; 0 when it is not answered in time."""
    async with gateway.client() as client:
        order = {"model": "nano-banana@ccapi", "prompt": prompt}
        with suppress(httpx.TimeoutException):
            return (await client.post("/v1/images/generations", json=order)).status_code
    return 0


async def _serves(gateway: Gateway, number: int) -> bool:
    return await _asked(gateway, f"healed {number} at {time.monotonic()}") == 200
