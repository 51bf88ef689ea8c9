"""Runs the application on a socket: uvicorn from code, with uvloop, httptools and our own protocol on top."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from signal import SIGINT, SIGTERM
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from app.cli.listening import take
from app.settings import Settings
from app.web.patience import ConnectionLimits
from app.web.protocol import protocol_with
from app.web.refusals import Refused, untold

log = structlog.get_logger(__name__)

CUT_S: Final = 0.5
DEFAULTS: Final = ConnectionLimits()


def connection_limits(settings: Settings) -> ConnectionLimits:
    """The patience with clients that the settings ask for."""
    return ConnectionLimits(
        header_s=settings.header_timeout_s,
        header_bytes=settings.max_header_kb * 1024,
        header_count=settings.max_headers,
        target_bytes=settings.max_target_kb * 1024,
        body_idle_s=settings.body_idle_timeout_s,
        body_s=settings.body_timeout_s,
        body_rate=settings.min_body_kb_s * 1024,
        write_idle_s=settings.write_idle_timeout_s,
        connections=settings.max_connections,
    )


def make_config(
    app: ASGIApp,
    *,
    limits: ConnectionLimits = DEFAULTS,
    keep_alive_s: int = 75,
    grace_s: int = 5,
    refused: Refused = untold,
) -> uvicorn.Config:
    """How we run uvicorn. On SIGTERM it stops accepting and waits for answers up to `grace_s`.

    `refused` is told of connections that the protocol itself ends.
    """
    return uvicorn.Config(
        app,
        http=protocol_with(limits, refused),
        ws="none",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=grace_s,
    )


class GatewayServer(uvicorn.Server):
    """A server that a signal ends in order: it drains and returns, and what was opened around it is closed after it.

    uvicorn itself raises the signal once more when it is done, which would end the process before that. A second
    signal waits for nobody.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told_at: float | None = None

    def seconds_left(self, hard_s: float) -> float:
        """How long what is still running may take, if everything is to be over `hard_s` after the signal."""
        now = asyncio.get_running_loop().time()
        return 0.0 if self.force_exit else hard_s - (now - (self._told_at or now))

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT end the server until the block is left; then they are the process's again."""
        loop = asyncio.get_running_loop()
        for signal in (SIGTERM, SIGINT):
            loop.add_signal_handler(signal, self.handle_exit, signal, None)
        try:
            yield
        finally:
            for signal in (SIGTERM, SIGINT):
                loop.remove_signal_handler(signal)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal: drain. Another one: go."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._told_at = self._told_at or asyncio.get_running_loop().time()


async def close_within(stack: AsyncExitStack, seconds: float) -> None:
    """Closes what is on the stack. When time is up nothing is waited for any more: work is left to its lease."""
    closing = asyncio.create_task(stack.aclose())
    await asyncio.wait({closing}, timeout=max(seconds, 0))
    if not closing.done():
        log.warning("drain.cut")
    while not closing.done():
        closing.cancel()  # ends one wait; the next thing on the stack may wait as well
        await asyncio.wait({closing}, timeout=CUT_S)
    if not closing.cancelled():
        closing.result()


def allow_connections(count: int) -> None:
    """Raises this process's limit of open files, so far as it may, to what so many connections need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count if hard == resource.RLIM_INFINITY else min(2 * count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    limits: ConnectionLimits = DEFAULTS,
    keep_alive_s: int = 75,
    grace_s: int = 5,
    refused: Refused = untold,
) -> AsyncIterator[str]:
    """Serves inside the caller's loop until the block is left; yields the base URL. Port 0 takes a free one."""
    listener = take(host, port)
    server = _GuestServer(make_config(app, limits=limits, keep_alive_s=keep_alive_s, grace_s=grace_s, refused=refused))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield f"http://{host}:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


class _GuestServer(uvicorn.Server):
    """A server in somebody else's loop: it leaves the signals alone, and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
