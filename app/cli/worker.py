"""`oneshape worker`: a process that does tasks and listens to nobody."""

import asyncio
from contextlib import AsyncExitStack
from signal import SIGINT, SIGTERM

import typer
import uvloop

from app.cli.logs import start_logging
from app.cli.running import refusing
from app.cli.serving import close_within
from app.core.clock import Clock
from app.settings import Secrets, Settings, ensure_secrets, environment, read_settings
from app.wiring import open_services


def worker() -> None:
    """Does queued tasks, until it is told to stop. Serve with --no-worker to leave them all to workers."""
    with refusing():
        settings = read_settings()
        secrets = ensure_secrets(settings)
        start_logging(settings)
        uvloop.run(_work(settings, secrets))


async def _work(settings: Settings, secrets: Secrets) -> None:
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal in (SIGINT, SIGTERM):
        loop.add_signal_handler(signal, told_to_stop.set)
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(open_services(settings, secrets, env=environment(), clock=Clock()))
        typer.echo("Working on queued tasks.", err=True)
        await told_to_stop.wait()
    finally:
        await close_within(stack, settings.grace_hard_s)
