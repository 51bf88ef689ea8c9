"""A webhook receiver on a real socket: it keeps what it is sent and answers as it was told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.cli.serving import serving


@dataclass(frozen=True, slots=True)
class Received:
    body: bytes
    headers: dict[str, str]


@dataclass(slots=True)
class Receiver:
    """`answers` are given in turn, 200 when there are no more."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        self.received.append(Received(await request.body(), dict(request.headers)))
        status = self.answers.pop(0) if self.answers else 200
        headers = {"location": f"{self.url}/elsewhere"} if status == 302 else {}
        await Response(status_code=status, headers=headers)(scope, receive, send)


@asynccontextmanager
async def running_receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with serving(receiver) as url:
        receiver.url = url
        yield receiver
