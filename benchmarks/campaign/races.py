"""F4, F5: many at once for what only few may have: one idempotency key, one budget."""

import asyncio
from collections import Counter
from dataclasses import dataclass

import httpx

from benchmarks.campaign.world import ADMIN_KEY, PRICE_UNITS, Gateway, World


@dataclass(frozen=True, slots=True)
class Race:
    """How many were let in, by status; and what the vendors and the ledger say."""

    statuses: Counter[int]
    calls: int
    spent_units: int
    answers: int
    ledger_clean: bool


async def budget_race(home: World, gateways: list[Gateway], *, asked: int, affordable: int, name: str) -> Race:
    """`asked` requests at once, over all processes, for an account that can pay for `affordable` of them (G85, G86)."""
    units = affordable * PRICE_UNITS + PRICE_UNITS - 1
    budget = {"units": units, "period": "day"}
    account_id, key = await home.new_key(gateways[0], units=10 * units, budget=budget)
    before = home.calls().total()
    limits = asyncio.Semaphore(200)

    async def ask(client: httpx.AsyncClient, number: int) -> int:
        async with limits:
            order = {"model": "nano-banana@ccapi", "prompt": f"budget {name} {number}"}
            response = await client.post("/v1/images/generations", json=order)
            while response.status_code == 503:  # shed, not judged: asked again as its header says
                await asyncio.sleep(0.2)
                response = await client.post("/v1/images/generations", json=order)
            return response.status_code

    clients = [gateway.client(key, timeout_s=120) for gateway in gateways]
    statuses = await asyncio.gather(*(ask(clients[number % len(clients)], number) for number in range(asked)))
    await asyncio.gather(*(client.aclose() for client in clients))
    return await _judged(home, gateways[0], account_id, Counter(statuses), calls_before=before, granted=10 * units)


async def duplicates(home: World, gateways: list[Gateway], *, name: str, copies: int = 20) -> Race:
    """The same request so many times at once under one Idempotency-Key, over all processes (G87)."""
    account_id, key = await home.new_key(gateways[0], units=100 * PRICE_UNITS)
    before = home.calls().total()
    order = {"model": "nano-banana@ccapi", "prompt": f"duplicates {name}"}

    async def ask(gateway: Gateway) -> tuple[int, bytes]:
        async with gateway.client(key, timeout_s=60) as client:
            # One name for all processes, or links would begin with different ports.
            headers = {"idempotency-key": name, "host": "gateway.example"}
            response = await client.post("/v1/images/generations", json=order, headers=headers)
            while response.status_code == 503:  # not begun: asked again as its header says
                await asyncio.sleep(0.2)
                response = await client.post("/v1/images/generations", json=order, headers=headers)
            return response.status_code, response.content

    told = await asyncio.gather(*(ask(gateways[number % len(gateways)]) for number in range(copies)))
    statuses = Counter(status for status, _ in told)
    return await _judged(
        home, gateways[0], account_id, statuses, calls_before=before, granted=100 * PRICE_UNITS, answers=len(set(told))
    )


async def _judged(
    home: World,
    gateway: Gateway,
    account_id: str,
    statuses: Counter[int],
    *,
    calls_before: int,
    granted: int,
    answers: int = 0,
) -> Race:
    async with gateway.client(ADMIN_KEY) as client:
        account = (await client.get(f"/admin/accounts/{account_id}")).json()
        proof = (await client.get("/admin/ledger/verify")).json()
    return Race(
        statuses=statuses,
        calls=home.calls().total() - calls_before,
        spent_units=granted - account["balance_units"] + account["held_units"],
        answers=answers,
        ledger_clean=proof["ok"],
    )
