"""Clients of several processes at once, as behind a balancer: where nothing was sent, the next process is asked."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from benchmarks.campaign.world import Gateway

PAUSE_S: Final = 0.05
PATHS: Final = ("/v1/images/tasks", "/v1/images/generations")
MODELS: Final = ("nano-banana@uniall-tasks", "nano-banana@ccapi")


@dataclass(slots=True)
class Crowd:
    """`gateways` may change while they ask. `answers` are told with the second they came at."""

    gateways: Callable[[], Sequence[Gateway]]
    name: str
    promised: set[str] = field(default_factory=set)
    answers: list[tuple[float, int]] = field(default_factory=list)
    cut: int = 0
    _stopping: bool = False

    async def ask(self, clients: int) -> None:
        """Asks until `stop`."""
        await asyncio.gather(*(self._client(number) for number in range(clients)))

    def stop(self) -> None:
        """Lets every client finish what it has asked."""
        self._stopping = True

    def statuses(self, *, since: float = 0.0, until: float = float("inf")) -> Counter[int]:
        """How many answers of each status came between these times."""
        return Counter(status for at, status in self.answers if since <= at < until)

    async def _client(self, number: int) -> None:
        async with httpx.AsyncClient(timeout=60.0, verify=False) as client:
            turn = number
            while not self._stopping:
                turn += 1
                order = {"model": MODELS[turn % 2], "prompt": f"{self.name} {number}-{turn}"}
                await self._send(client, PATHS[number % 2], order, turn)
                await asyncio.sleep(PAUSE_S)

    async def _send(self, client: httpx.AsyncClient, path: str, order: dict[str, Any], turn: int) -> None:
        """One request, to the first process that takes the connection."""
        targets = self.gateways()
        for position in range(len(targets)):
            gateway = targets[(turn + position) % len(targets)]
            headers = {"authorization": f"Bearer {gateway.key_of.key}"}
            try:
                answer = await client.post(gateway.url + path, json=order, headers=headers)
            except httpx.ConnectError:
                continue
            except httpx.TransportError:
                self.cut += 1
                return
            self.answers.append((time.monotonic(), answer.status_code))
            if answer.status_code < 300:
                self.promised.add(answer.headers["oneshape-task-id"])
            return
        self.cut += 1
