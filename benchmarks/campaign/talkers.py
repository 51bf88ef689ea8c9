"""Clients that talk: text requests while the database is away and back, held against the vendor's log and the books."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import text

from app.store.database import Database, Tx
from benchmarks.campaign.replicas import seen
from benchmarks.campaign.token_orders import DONE, Order, Payer, body_of, send
from benchmarks.campaign.token_vendor import Play, TokenVendor
from benchmarks.campaign.world import Gateway

MODEL: Final = "by-token"
PAUSE_MS: Final = (0, 5, 50, 500, 2000)
WAIT_S: Final = 0.02
FREE_S: Final = 120.0
"""What a process that lives holds is free again when the database is back; a minute beyond what a client waits."""


@dataclass(slots=True)
class Talkers:
    """Each request reports a number of input tokens that no other has: so it is found in the books. `answers` are told
    with the second they came at.
    """

    vendor: TokenVendor
    gateways: Callable[[], Sequence[Gateway]]
    payers: Sequence[Payer]
    rng: random.Random
    answers: list[tuple[float, int]] = field(default_factory=list)
    served: set[int] = field(default_factory=set)
    cut: int = 0
    _number: int = 0
    _stopping: bool = False

    async def ask(self, clients: int) -> None:
        """Asks until `stop`."""
        await asyncio.gather(*(self._talker() for _ in range(clients)))

    def stop(self) -> None:
        """Lets every client finish what it has asked."""
        self._stopping = True

    def statuses(self, *, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        """How many answers of each status came between these times."""
        return Counter(status for at, status in self.answers if since <= at < until)

    async def _talker(self) -> None:
        while not self._stopping:
            self._number += 1
            await self._send(self._number)
            await asyncio.sleep(WAIT_S)

    async def _send(self, number: int) -> None:
        play = Play(number, words=3, usage=(number, 0, 1), pause_ms=self.rng.choice(PAUSE_MS))
        stream, payer = self.rng.random() < 0.5, self.rng.choice(self.payers)
        order = Order(play, payer, MODEL, stream, body_of(play, MODEL, stream=stream, pictured=False))
        targets = self.gateways()
        reply = None
        with suppress(TimeoutError):
            reply = await send(int(targets[number % len(targets)].url.rpartition(":")[2]), order)
        if reply is None:
            self.cut += 1
            return
        self.answers.append((time.monotonic(), reply.status))
        if reply.status == 200 and (not stream or reply.body.endswith(DONE)):
            self.served.add(number)

    async def judge(self, database: Database) -> tuple[str, list[str]]:
        """Every answer is in the books once, every call of the vendor is, and nothing is held any more."""
        free = await seen(lambda: _free(database), within_s=FREE_S)
        booked = Counter(await database.read(_succeeded))
        unbilled = await database.read(_owed)
        calls = Counter(call.play.number for call in self.vendor.calls)
        wrong = [] if free else ["units are held for texts that are over"]
        wrong += [f"text {number} was answered and is not in the books" for number in self.served - booked.keys()]
        wrong += [f"text {number} is booked {count} times" for number, count in booked.items() if count > 1]
        wrong += [
            f"text {number} was asked of the vendor {count} times" for number, count in calls.items() if count > 1
        ]
        wrong += [f"text {number} is booked, and no vendor was asked" for number in booked.keys() - calls.keys()]
        if (missing := len(calls.keys() - booked.keys()) - unbilled) > 0:
            wrong.append(f"{missing} calls of the vendor are not in the books")
        statuses = ", ".join(f"{count} x {status}" for status, count in sorted(self.statuses().items()))
        told = (
            f"texts: {len(self.answers)} answers ({statuses}), {self.cut} cut, {len(calls)} calls, {len(booked)} booked"
        )
        return f"{told}, {unbilled} owed", wrong


def _succeeded(tx: Tx) -> list[int]:
    return list(tx.execute(text("SELECT input_tokens FROM chats WHERE outcome = 'succeeded'")).scalars())


def _owed(tx: Tx) -> int:
    """Texts that were not delivered and that the vendor may bill."""
    return int(tx.execute(text("SELECT count(*) FROM chats WHERE outcome <> 'succeeded'")).scalar_one())


async def _free(database: Database) -> bool:
    """Whether nothing is held."""
    return not await database.read(lambda tx: tx.execute(text("SELECT sum(held_units) FROM accounts")).scalar_one())
