"""What the tests of fetching share: a clock that does not wait, sinks that tell their end, names that may lie."""

from collections.abc import Awaitable, Callable, Sequence

import httpx

from app.core.clock import Clock
from app.core.media import Blob
from app.media.door import Door
from app.media.fetch import Fetcher, FetchLimits
from app.media.guard import AddressPolicy

PUBLIC = "8.8.8.8"
LIMITS = FetchLimits(max_bytes=1000, total_s=5)


class PatientClock(Clock):
    """Does not wait; tells how long it would have."""

    def __init__(self) -> None:
        self.waits_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits_s.append(seconds)


class MemorySink:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.state = "open"

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> Blob:
        self.state = "closed"
        return Blob.of(self.data)

    def abort(self) -> None:
        self.state = "aborted"


class Sinks:
    """Opens sinks and remembers them."""

    def __init__(self) -> None:
        self.opened: list[MemorySink] = []

    def __call__(self) -> MemorySink:
        self.opened.append(MemorySink())
        return self.opened[-1]

    @property
    def states(self) -> list[str]:
        return [sink.state for sink in self.opened]


class Names:
    """A name service with an answer for each time it is asked; the last one stays. Unknown names are public."""

    def __init__(self, answers: dict[str, list[list[str]]] | None = None) -> None:
        self._answers = answers or {}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers.get(host, [[PUBLIC]])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if not answer:
            raise OSError
        return answer


class Stage:
    """A Fetcher whose vendors are a function from request to answer; remembers what was asked."""

    def __init__(
        self,
        answer: Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]],
        *,
        names: Names | None = None,
        limits: FetchLimits = LIMITS,
        allowed: Sequence[str] = (),
    ) -> None:
        self.requests: list[httpx.Request] = []
        self.names = names or Names()
        self.sinks = Sinks()
        self.clock = PatientClock()
        self._answer = answer
        door = Door(AddressPolicy(allowed), resolver=self.names, transport=_Scripted(self))
        self.fetcher = Fetcher(door, clock=self.clock, inputs=limits, results=limits)

    async def play(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answer(request)
        return answer if isinstance(answer, httpx.Response) else await answer

    async def fetch_input(self, url: str) -> bytes:
        blob = await self.fetcher.fetch_input(url, self.sinks, param="image")
        assert blob.data is not None
        return blob.data

    async def fetch_result(self, url: str) -> bytes:
        blob = await self.fetcher.fetch_result(url, self.sinks)
        assert blob.data is not None
        return blob.data


class _Scripted(httpx.AsyncBaseTransport):
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._stage.play(request)


def redirect(location: str, status: int = 302) -> httpx.Response:
    return httpx.Response(status, headers={"Location": location})


def script(*answers: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Gives one answer after the other."""
    left = list(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        current = left.pop(0)
        if isinstance(current, Exception):
            raise current
        return current

    return answer
