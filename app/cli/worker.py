"""`oneshape worker`: a process that does tasks and listens to no client."""

import asyncio
from contextlib import AsyncExitStack
from signal import SIGINT, SIGTERM
from typing import Annotated

import typer
import uvloop

from app.cli.arenas import share_arenas
from app.cli.logs import start_logging
from app.cli.running import refusing
from app.cli.serving import close_within, serving
from app.core.clock import Clock
from app.main import create_watched_app
from app.settings import Secrets, Settings, ensure_secrets, environment, read_settings
from app.wiring import open_services


def worker(
    port: Annotated[int | None, typer.Option(help="Answer /healthz, /readyz and /metrics here.")] = None,
) -> None:
    """Do queued tasks, until told to stop. Serve with --no-worker to leave them all to workers."""
    with refusing():
        settings = read_settings()
        secrets = ensure_secrets(settings)
        start_logging(settings)
        share_arenas()
        uvloop.run(_work(settings, secrets, port))


async def _work(settings: Settings, secrets: Secrets, port: int | None) -> None:
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal in (SIGINT, SIGTERM):
        loop.add_signal_handler(signal, told_to_stop.set)
    stack = AsyncExitStack()
    try:
        services = await stack.enter_async_context(open_services(settings, secrets, env=environment(), clock=Clock()))
        if port is not None:
            watched = create_watched_app(services)
            await stack.enter_async_context(serving(watched, host=settings.host, port=port))
        typer.echo("Working on queued tasks.", err=True)
        await told_to_stop.wait()
    finally:
        await close_within(stack, settings.grace_hard_s)
