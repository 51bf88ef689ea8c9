"""Runs the application on a socket: uvicorn from code, with uvloop and httptools."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp


def make_config(app: ASGIApp, *, keep_alive_s: int = 75, grace_s: int = 5) -> uvicorn.Config:
    """How we run uvicorn. On SIGTERM it stops accepting and waits for answers up to `grace_s`."""
    return uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=keep_alive_s,
        timeout_graceful_shutdown=grace_s,
    )


@asynccontextmanager
async def serving(app: ASGIApp, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serves inside the caller's loop until the block is left; yields the base URL. Port 0 takes a free one."""
    listener = socket.create_server((host, port))
    server = _GuestServer(make_config(app))
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
