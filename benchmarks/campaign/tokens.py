"""F3: thousands of text requests of every kind, and clients that leave; then the books are held against the vendor's
own log of every call: each is booked once, with the vendor's tokens, or the estimate that the contract names.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import select

from app.store import ledger_verify, tables
from app.store.database import Database, Tx
from benchmarks.campaign.token_orders import DONE, Order, Payer, Reply, nonsense, order, send
from benchmarks.campaign.token_vendor import OWN_MODEL, WORD, Call, Play, TokenVendor, message_of, token_vendor
from benchmarks.campaign.world import ADMIN_KEY, Gateway, World

AT_ONCE: Final = 48
SETTLED_S: Final = 60.0
LOOK_S: Final = 0.2
AGAIN_S: Final = 0.4
"""After what an SDK tries again for the first time."""
OUTPUT_MAX: Final = 1_000
GRANTED: Final = 10**12
POOR: Final = 20_000
PRICES: Final[dict[str, dict[str, str]]] = {
    "by-token": {"per_1m_input_tokens": "1.50", "per_1m_cached_input_tokens": "0.30", "per_1m_output_tokens": "6.00"},
    "by-request": {"per_request": "0.002"},
    "by-both": {"per_request": "0.0001", "per_1m_input_tokens": "0.15", "per_1m_output_tokens": "0.60"},
    "faulty": {"per_1m_input_tokens": "2.00", "per_1m_output_tokens": "8.00"},
    "busy": {"per_1m_input_tokens": "2.00", "per_1m_output_tokens": "8.00"},
    "fallback": {"per_1m_input_tokens": "3.00", "per_1m_output_tokens": "9.00"},
}
DOORS: Final = {"by-token": "steady", "by-request": "steady", "by-both": "steady", "faulty": "faulty", "busy": "busy"}
REFUSALS: Final = {"400": "invalid_value", "429": "rate_limit_exceeded", "503": "no_vendor_available"}
BROKEN: Final = {"500": "upstream_error", "html": "upstream_invalid_response", "cut_first": "upstream_error"}


class Booking(NamedTuple):
    """One text request as it must be, or as it is, in the books. `owed`: the vendor may bill for what never came."""

    account_id: str
    model: str
    outcome: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    estimated: bool
    units: int
    owed: bool


@dataclass(slots=True)
class Report:
    """What was done and found; `wrong` is empty when every promise was kept."""

    requests: int = 0
    calls: int = 0
    charged: int = 0
    units: int = 0
    left: int = 0
    again: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return (
            f"{self.requests} requests, {self.left} clients left, {self.again} SDKs tried again, {self.calls} vendor "
            f"calls ({kinds}), {self.charged} charged {self.units:,} units"
        )


async def tokens(home: World, *, requests: int, processes: int, rng: random.Random) -> Report:
    """Sends so many requests over so many processes and compares the books with the vendor's log."""
    async with token_vendor(rng) as vendor:
        (home.directory / "catalog.yaml").write_bytes(orjson.dumps(catalog(vendor.url)))  # JSON is YAML too
        gateways = [await home.start() for _ in range(processes)]
        payers = await _payers(home, gateways[0])
        orders = [order(number, payers, rng) for number in range(requests)]
        orders += [nonsense(requests + number, payers[0], rng) for number in range(requests // 50)]
        rng.shuffle(orders)
        replies = await _sent(orders, gateways, rng)
        report = Report(
            requests=len(replies),
            left=sum(reply is None for _, reply in replies),
            again=sum(each.again for each in orders),
        )
        await _judge(home, vendor, {each.play.number: each for each in orders}, report)
        report.wrong += _misread(replies, {call.play.number for call in vendor.calls})
    return report


async def _payers(home: World, gateway: Gateway) -> list[Payer]:
    payers = [
        Payer(*_prepaid(await home.new_key(gateway, units=units, concurrency=1000)))
        for units in (GRANTED, GRANTED, POOR)
    ]
    budget = {"units": GRANTED, "period": "day"}
    payers.append(Payer(*_prepaid(await home.new_key(gateway, units=GRANTED, budget=budget, concurrency=1000))))
    async with gateway.client(ADMIN_KEY) as client:
        account = (await client.post("/admin/accounts", json={"name": "free", "billing": "unlimited"})).json()["id"]
        form = {"account_id": account, "name": "free", "concurrency": 1000}
        payers.append(Payer(account, False, (await client.post("/admin/keys", json=form)).json()["key"]))
    return payers


def _prepaid(made: tuple[str, str]) -> tuple[str, bool, str]:
    account_id, secret = made
    return account_id, True, secret


async def _sent(orders: list[Order], gateways: list[Gateway], rng: random.Random) -> list[tuple[Order, Reply | None]]:
    """All replies. Copies of an order go out at once, or one after the other, over all processes; what an SDK tries
    again goes where the first try went, whose process knows at once that its client has left.
    """
    places = asyncio.Semaphore(AT_ONCE)
    ports = [int(gateway.url.rpartition(":")[2]) for gateway in gateways]

    async def one(each: Order) -> list[tuple[Order, Reply | None]]:
        async with places:
            if each.again:
                port = ports[each.play.number % len(ports)]
                first = await send(port, each)
                await asyncio.sleep(AGAIN_S)
                return [(each, first), (replace(each, leaves="stays"), await send(port, each, 1))]
            sends = [send(ports[(each.play.number + copy) % len(ports)], each, copy) for copy in range(each.copies)]
            if each.at < 0.5:
                return [(each, reply) for reply in await asyncio.gather(*sends)]
            return [(each, await sending) for sending in sends]

    return [reply for replies in await asyncio.gather(*map(one, orders)) for reply in replies]


async def _judge(home: World, vendor: TokenVendor, orders: dict[int, Order], report: Report) -> None:
    database = await Database.open(home.database_url)
    try:
        books = await _settled(database, vendor, orders)
        violations = (await database.read(ledger_verify.verify)).violations
        entries = await database.read(_entries)
    finally:
        await database.close()
    due = _due(vendor.calls, orders)
    report.calls, report.kinds = len(vendor.calls), Counter(_kind(call) for call in vendor.calls)
    report.charged = sum(row.units > 0 for row, _ in books)
    report.units = sum(row.units for row, _ in books)
    report.wrong += [f"the ledger: {violation}" for violation in violations]
    report.wrong += _compared(due, Counter(row for row, _ in books))
    report.wrong += _unmatched(books, entries)
    paid = Counter(call.play.number for call in vendor.calls if _delivers(call))
    report.wrong += [f"request {number} was paid {times} times" for number, times in paid.items() if times > 1]


async def _settled(database: Database, vendor: TokenVendor, orders: dict[int, Order]) -> list[tuple[Booking, str]]:
    """The books once nothing is on its way: as many requests as there must be, and no hold that is open."""
    looks = int(SETTLED_S / LOOK_S)
    while True:
        books, held, looks = await database.read(_books), await database.read(_held), looks - 1
        if (len(books) >= _due(vendor.calls, orders).total() and not held) or not looks:
            return books
        await asyncio.sleep(LOOK_S)


def _due(calls: Iterable[Call], orders: dict[int, Order]) -> Counter[Booking]:
    """What the vendor's log says must be booked."""
    return Counter(_booking(call, orders[call.play.number]) for call in calls if call.door != "refusing")


def _booking(call: Call, order: Order) -> Booking:
    play, whose = call.play, (order.payer.account_id, order.model)
    text_tokens = -(-(len(order.body) - order.inline_bytes) // 4) + 1_000 * order.pictures
    if play.act in REFUSALS or play.act in BROKEN or (play.act == "cut" and not call.stream):
        outcome = {**REFUSALS, **BROKEN, "cut": "upstream_error"}[play.act]
        return Booking(*whose, outcome, 0, 0, 0, False, 0, play.act in ("html", "cut", "cut_first"))
    broken = play.act in ("cut", "error_event")
    if play.usage is not None and not broken:
        input_tokens, cached, output_tokens = play.usage
        used = (input_tokens, cached, output_tokens)
    elif call.stream and play.act != "other":
        used = (text_tokens, 0, _relayed_tokens(play, broken=broken))
    else:
        used = (text_tokens, 0, -(-len(orjson.dumps([message_of(play)])) // 4))
    units = _price(order, *used)
    return Booking(
        *whose,
        "upstream_error" if broken else "succeeded",
        *used,
        play.usage is None or broken,
        min(units, _ceiling(order)) if order.payer.prepaid else units,
        False,
    )


def _relayed_tokens(play: Play, *, broken: bool) -> int:
    """One per event after the first; the one that says why it ended says nothing else."""
    return play.words + (play.tools and not broken)


def _price(order: Order, input_tokens: int, cached: int, output_tokens: int) -> int:
    """The contract's arithmetic: exact, rounded up once. Prices are per million, and so are units."""
    price = {part: round(float(amount) * 1_000_000) for part, amount in PRICES[order.model].items()}
    fresh_price = price.get("per_1m_input_tokens", 0)
    exact = (
        (input_tokens - cached) * fresh_price
        + cached * price.get("per_1m_cached_input_tokens", fresh_price)
        + output_tokens * price.get("per_1m_output_tokens", 0)
    )
    return price.get("per_request", 0) + -(-exact // 1_000_000)


def _ceiling(order: Order) -> int:
    return _price(order, len(order.body) - order.inline_bytes + 50_000 * order.pictures, 0, OUTPUT_MAX)


def _compared(due: Counter[Booking], found: Counter[Booking]) -> list[str]:
    """Refusals that no vendor uttered (it was resting) are booked as well; anything else must be there as often."""
    missing = due - found
    more = Counter({row: n for row, n in (found - due).items() if row.units or row.owed or row.outcome == "succeeded"})
    return [f"{n} times missing: {row}" for row, n in missing.items()] + [
        f"{n} too many: {row}" for row, n in more.items()
    ]


def _unmatched(books: list[tuple[Booking, str]], entries: list[Any]) -> list[str]:
    """Every request has its charge: what was captured is what it says, and what was held is free again."""
    captured = {row.charge_id: row.units for row in entries if row.kind == "capture"}
    ended = Counter(row.charge_id for row in entries if row.kind in ("capture", "release"))
    held = Counter(row.charge_id for row in entries if row.kind == "hold")
    wrong = [f"{charge_id} is held and not resolved" for charge_id in held - ended]
    wrong += [
        f"{charge_id} says {row.units} units and captured {captured.get(charge_id, 0)}"
        for row, charge_id in books
        if row.units != captured.get(charge_id, 0)
    ]
    known = {charge_id for _, charge_id in books}
    return wrong + [f"{charge_id} was captured for no request" for charge_id in captured.keys() - known]


def _misread(replies: list[tuple[Order, Reply | None]], asked: set[int]) -> list[str]:
    """What clients that stayed were told, held against what was asked of the vendor."""
    wrong = []
    told: dict[int, set[bytes]] = {}
    for each, reply in replies:
        number = each.play.number
        if reply is None:
            if each.leaves == "stays":
                wrong.append(f"request {number} stayed and has no answer")
            continue
        # Of several copies one may be refused and the next be affordable again.
        if reply.status in (400, 402, 404) and each.play.act != "400" and number in asked and each.copies == 1:
            wrong.append(f"request {number} was refused with {reply.status}, and the vendor was asked")
        if reply.status == 200:
            told.setdefault(number, set()).add(reply.body)
            if each.stream and not reply.body.endswith(DONE):
                wrong.append(f"request {number}: the stream has no end")
            if each.play.act in ("answer", "other") and _said(each, reply) != each.play.words:
                wrong.append(f"request {number}: {reply.body[:300]!r}")
        if OWN_MODEL.encode() in reply.body:
            wrong.append(f"request {number} was told the vendor's model")
    return wrong + [
        f"request {number} was answered in {len(ways)} ways" for number, ways in told.items() if len(ways) > 1
    ]


def _said(each: Order, reply: Reply) -> int:
    """How many words came."""
    if each.stream and each.play.act == "answer":
        return reply.body.count(b'"content":"%b"' % WORD.encode())
    at = reply.body.find(b'"content":"')
    return reply.body[at + 11 :].partition(b'"')[0].count(WORD.encode())


def _delivers(call: Call) -> bool:
    return call.door != "refusing" and call.play.act not in REFUSALS


def _kind(call: Call) -> str:
    return (
        f"refused {call.play.act}"
        if call.play.act.isdecimal()
        else call.play.act
        if call.door != "refusing"
        else "passed on"
    )


def _books(tx: Tx) -> list[tuple[Booking, str]]:
    rows = tx.execute(select(tables.chats)).all()
    return [
        (
            Booking(
                row.account_id,
                row.model,
                row.outcome,
                row.input_tokens,
                row.cached_input_tokens,
                row.output_tokens,
                bool(row.estimated),
                row.units,
                row.exposure_units > 0,
            ),
            row.id,
        )
        for row in rows
    ]


def _held(tx: Tx) -> int:
    return sum(tx.scalars(select(tables.accounts.c.held_units)))


def _entries(tx: Tx) -> list[Any]:
    entry = tables.ledger_entries.c
    return list(tx.execute(select(entry.charge_id, entry.kind, entry.units).where(entry.charge_id.is_not(None))))


def catalog(url: str) -> dict[str, Any]:
    """Vendors' costs are not zero, or nothing could be owed to them."""
    cost = {"per_1m_input_tokens": "0.5", "per_1m_output_tokens": "2"}
    doors = sorted({*DOORS.values(), "refusing"})
    vendors = {
        door: {
            "dialect": "openai_chat",
            "base_url": f"{url}/{door}",
            "api_keys": ["k1", "k2", "k3"],
            "concurrency": 500,
        }
        for door in doors
    }

    def targets(model: str) -> list[dict[str, Any]]:
        ways = [DOORS[model]] if model in DOORS else ["refusing", "steady"]
        return [
            {"vendor": door, "model": OWN_MODEL, "priority": place, "cost": cost} for place, door in enumerate(ways, 1)
        ]

    models = [
        {"id": model, "kind": "chat", "max_output_tokens": OUTPUT_MAX, "price": price, "targets": targets(model)}
        for model, price in PRICES.items()
    ]
    return {"version": 1, "currency": "USD", "vendors": vendors, "models": models}
