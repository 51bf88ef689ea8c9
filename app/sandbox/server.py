"""Runs the sandbox on a real socket inside the caller's event loop, for the demo and the tests."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app.sandbox.app import create_sandbox
from app.sandbox.config import SandboxConfig
from app.sandbox.delivery import HANG_UP


@contextlib.asynccontextmanager
async def serve(config: SandboxConfig, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serves until the block is left; yields the base URL. Port 0 takes a free one.

    Signal handlers and logging stay as they are. Raises OSError when the address is taken.
    """
    app = create_sandbox(config)
    listener = socket.create_server((host, port))
    bound_port = listener.getsockname()[1]
    options = uvicorn.Config(
        _HangUp(app), log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    server = _QuietServer(options)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield f"http://{host}:{bound_port}"
    finally:
        app.state.closing.set()
        server.should_exit = True
        await running


class _QuietServer(uvicorn.Server):
    """A server that leaves the process's signal handlers alone, and says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _HangUp:
    """Lets an answer close its connection, which ASGI has no word for.

    uvicorn's `send` is a method of the object that holds the transport (seen in 0.54); other servers get no extension,
    and a cut answer then ends as that server ends unfinished answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        transport = getattr(getattr(send, "__self__", None), "transport", None)
        if transport is not None:

            async def hang_up() -> None:
                transport.close()
                while (await receive())["type"] != "http.disconnect":
                    pass

            scope["extensions"] = {**scope.get("extensions", {}), HANG_UP: hang_up}
        await self._app(scope, receive, send)
