"""A load generator of our own: keep-alive connections that post the same body over and over, and check every answer.

Run as a process of its own: python -m benchmarks.load, a JSON plan on stdin, a JSON result on stdout.
"""

import asyncio
import json
import sys
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import cast

import uvloop


@dataclass(frozen=True, slots=True)
class Plan:
    """What to post where. `rate` 0: each connection posts again as soon as it has its answer.

    `must_contain`: texts, and how often each must be in an answer.
    """

    port: int
    body: str
    path: str = "/v1/chat/completions"
    headers: dict[str, str] = field(default_factory=dict)
    connections: int = 32
    seconds: float = 5.0
    rate: float = 0.0
    must_contain: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Result:
    """What came of it. Times are milliseconds; `first_ms` to the first byte of the body."""

    requests: int = 0
    wrong: int = 0
    unanswered: int = 0
    events: int = 0
    seconds: float = 0.0
    times_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    example: str = ""


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, run: "Run") -> None:
        self._run = run
        self._held = bytearray()
        self._begun = 0.0
        self._first = 0.0
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def post(self, due: float) -> None:
        """Posts once; `due` is when it should have been posted."""
        self.busy, self._begun, self._first = True, due, 0.0
        self._transport.write(self._run.request)

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        held = self._held
        held += data
        end = held.find(b"\r\n\r\n")
        if end < 0:
            return
        if not self._first and len(held) > end + 4:
            self._first = time.perf_counter()
        if held.endswith(b"0\r\n\r\n") and b"chunked" in held[:end].lower():
            self._answered(bytes(held))
            return
        head = held[:end].lower()
        at = head.find(b"content-length:")
        if at >= 0 and len(held) >= end + 4 + int(head[at + 15 :].split(b"\r\n", 1)[0]):
            self._answered(bytes(held))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by the loop."""
        if self.busy:
            self._run.result.wrong += 1
            self._run.free(self)

    def _answered(self, reply: bytes) -> None:
        self._held.clear()
        self.busy = False
        now, result = time.perf_counter(), self._run.result
        result.requests += 1
        result.events += reply.count(b"data: {")
        must = self._run.must_contain
        if not reply.startswith(b"HTTP/1.1 200") or any(reply.count(text) < times for text, times in must):
            result.wrong += 1
            result.example = reply[:500].decode("latin-1")
        result.times_ms.append((now - self._begun) * 1000)
        result.first_ms.append((self._first - self._begun) * 1000)
        self._run.free(self)


class Run:
    """One run of a plan."""

    def __init__(self, plan: Plan) -> None:
        body = plan.body.encode()
        headers = {"host": "127.0.0.1", "content-type": "application/json", **plan.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.request = f"POST {plan.path} HTTP/1.1\r\n{lines}content-length: {len(body)}\r\n\r\n".encode() + body
        self.must_contain = [(text.encode(), times) for text, times in plan.must_contain.items()]
        self.result = Result()
        self._plan = plan
        self._ended = False
        self._idle: deque[Client] = deque()
        self._overdue: deque[float] = deque()
        self._all: list[Client] = []

    async def run(self) -> Result:
        """Runs it, and waits for the answers that are still due."""
        loop = asyncio.get_running_loop()
        for _ in range(self._plan.connections):
            _, client = await loop.create_connection(lambda: Client(self), "127.0.0.1", self._plan.port)
            self._all.append(client)
        started = time.perf_counter()
        if self._plan.rate:
            self._idle.extend(self._all)
            await self._at_rate(started)
        else:
            for client in self._all:
                client.post(time.perf_counter())
            await asyncio.sleep(self._plan.seconds)
        self._ended = True
        self.result.seconds = time.perf_counter() - started
        for _ in range(200):
            if not any(client.busy for client in self._all):
                break
            await asyncio.sleep(0.05)
        self.result.unanswered += sum(client.busy for client in self._all) + len(self._overdue)
        return self.result

    def free(self, client: Client) -> None:
        """A connection has its answer."""
        if self._plan.rate:
            if self._overdue:
                client.post(self._overdue.popleft())
            else:
                self._idle.append(client)
        elif not self._ended:
            client.post(time.perf_counter())

    async def _at_rate(self, started: float) -> None:
        for number in range(int(self._plan.rate * self._plan.seconds)):
            due = started + number / self._plan.rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            if self._idle:
                self._idle.popleft().post(due)
            else:
                self._overdue.append(due)


def main() -> None:
    """Reads the plan, prints the result."""
    result = uvloop.run(Run(Plan(**json.load(sys.stdin))).run())
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
