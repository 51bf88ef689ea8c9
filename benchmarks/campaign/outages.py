"""F8, F15: two processes under a load of pictures and texts lose their database: cut off, frozen, or crashed."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import make_url

from app.cli.sandboxed import sandboxed_catalog
from app.gateway.catalog.yaml import read
from app.store.database import Database
from benchmarks.campaign.crowd import Crowd
from benchmarks.campaign.replicas import CLIENTS, RECOVERED_S, URL, Judged, Told, judge, seen
from benchmarks.campaign.server import Server
from benchmarks.campaign.talkers import Talkers
from benchmarks.campaign.token_orders import Payer
from benchmarks.campaign.token_vendor import TokenVendor, token_vendor
from benchmarks.campaign.tokens import catalog
from benchmarks.campaign.world import World
from tests.support.relay import relaying

TALKERS: Final = 12
GRANTED: Final = 10**10
PROCESSES: Final = 2
SHOTS: Final = 15
SHOT_S: Final = 2.0
"""What is committed and not flushed is so for a moment only: one crash may miss it."""
NOTICED_S: Final = 5.0
"""After so long whoever asks is told that the database is away."""

Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Loss:
    """How the database is lost, and how it comes back."""

    name: str
    lose: Step
    heal: Step


async def outage(home: World, *, seconds: float, loss: str) -> Told:
    """`loss`: `cut`, every connection ends, and each new one at once; or `freeze`, nothing is said any more."""
    url = make_url(home.database_url)
    async with relaying(url.host or "127.0.0.1", url.port or 5432) as relay:

        async def lose() -> None:
            getattr(relay, loss)()

        async def heal() -> None:
            relay.heal()

        through = url.set(host="127.0.0.1", port=relay.port).render_as_string(hide_password=False)
        return await _lost(home, Loss(loss, lose, heal), seconds=seconds, through=through)


async def crash(home: World, server: Server, *, seconds: float) -> Told:
    """The server ends as for a loss of power, several times in a row, and at last is started again `seconds` later."""

    async def lose() -> None:
        for _ in range(SHOTS):
            await server.crash()
            await server.start()
            await asyncio.sleep(SHOT_S)
        await server.crash()

    return await _lost(home, Loss("crash", lose, server.start), seconds=seconds, through=server.url)


async def _lost(home: World, loss: Loss, *, seconds: float, through: str) -> Told:
    """No unpaid picture, no lost entry, no call meanwhile, whole again by itself. `through`: the database they use."""
    rng = random.Random(seconds)
    async with AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(token_vendor(rng))
        (home.directory / "catalog.yaml").write_bytes(orjson.dumps(_both(home.sandbox_url, vendor.url)))
        direct, home.environment[URL] = home.database_url, through
        gateways = [await home.start() for _ in range(PROCESSES)]
        home.environment[URL] = direct
        made = [await home.new_key(gateways[0], units=GRANTED, concurrency=1000) for _ in range(2)]
        payers = [Payer(account_id, True, key) for account_id, key in made]
        crowd = Crowd(lambda: list(gateways), loss.name)
        talkers = Talkers(vendor, lambda: list(gateways), payers, rng)
        asking = [asyncio.create_task(crowd.ask(CLIENTS)), asyncio.create_task(talkers.ask(TALKERS))]
        await asyncio.sleep(3.0)
        await loss.lose()
        lost_at = time.monotonic()
        calls = await _calls_without(home, vendor, lost_at + seconds)
        await loss.heal()
        healed_at = time.monotonic()
        recovered = await seen(lambda: _answer(crowd, talkers, healed_at), within_s=4 * RECOVERED_S)
        recovered_s = time.monotonic() - healed_at
        await asyncio.sleep(2.0)
        crowd.stop()
        talkers.stop()
        await asyncio.gather(*asking)
        during = [one.statuses(since=lost_at + NOTICED_S, until=healed_at) for one in (crowd, talkers)]
        wrong = [] if recovered and recovered_s <= RECOVERED_S else [f"serves {recovered_s:.0f} s after it was healed"]
        wrong += [f"answered without a database: {dict(one)}" for one in during if set(one) - {503}]
        wrong += [f"{calls} calls of vendors without a database"] if calls else []
        database = await Database.open(direct)
        texts, more = await talkers.judge(database)
        await database.close()
        figures, wrong = await judge(home, Judged(crowd, gateways, wrong + more))
    refused = sum(one[503] for one in during)
    told = f"{seconds:.0f} s ({loss.name}), {refused} answers 503 meanwhile, serves after {recovered_s:.1f} s"
    return f"{told}, {figures}; {texts}", wrong


async def _calls_without(home: World, vendor: TokenVendor, until: float) -> int:
    """How many vendors are called from when the loss is noticed on."""
    await asyncio.sleep(NOTICED_S)
    before = home.calls().total() + len(vendor.calls)
    await asyncio.sleep(max(until - time.monotonic(), 0.0))
    return home.calls().total() + len(vendor.calls) - before


async def _answer(crowd: Crowd, talkers: Talkers, since: float) -> bool:
    """Whether both pictures and texts are served again."""
    return all(any(status < 300 for status in one.statuses(since=since)) for one in (crowd, talkers))


def _both(sandbox_url: str, vendor_url: str) -> dict[str, Any]:
    """A catalog of the sandbox's pictures and the talkers' texts."""
    document: Any = read(sandboxed_catalog(sandbox_url), format="yaml")[0]
    texts = catalog(vendor_url)
    document["vendors"] |= texts["vendors"]
    document["models"] += texts["models"]
    return dict(document)
