"""`oneshape serve` and `oneshape sandbox`: the processes that listen."""

import asyncio
import gc
import socket
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from signal import SIGTERM
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Final

import typer
import uvicorn
import uvloop

from app.cli.arenas import share_arenas
from app.cli.listening import BACKLOG, take
from app.cli.logs import start_logging
from app.cli.running import refusing, tell_generated
from app.cli.sandboxed import sandboxed_source
from app.cli.serving import GatewayServer, allow_connections, close_within, connection_limits, make_config
from app.cli.workers import Workers
from app.core.clock import Clock
from app.core.pricing import currency_of
from app.gateway.account_forms import AccountForm, GrantForm, KeyForm
from app.gateway.services import Services
from app.main import create_app
from app.sandbox.app import create_sandbox
from app.sandbox.config import SandboxConfig
from app.sandbox.server import serve as serve_sandbox
from app.sandbox.vendors import BASE_PATHS
from app.settings import (
    PREFIX,
    Secrets,
    Settings,
    SettingsInvalid,
    ensure_secrets,
    environment,
    read_settings,
)
from app.web.refusals import telling
from app.wiring import open_database, open_services

TRIAL_UNITS: Final = 100_000_000
COLLECT_AFTER: Final = 5_000
"""New objects between two looks for cycles; Python's own number is 700."""


def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on. Default: the setting.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on. Default: the setting.")] = None,
    sandbox: Annotated[bool, typer.Option(help="Serve with simulated vendors, and print a key to try it.")] = False,
    worker: Annotated[bool, typer.Option(help="Do queued tasks too, or leave them to `oneshape worker`.")] = True,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes behind the one socket (PostgreSQL).")] = 1,
    descriptor: Annotated[int | None, typer.Option("--fd", hidden=True, help="The socket of --workers.")] = None,
) -> None:
    """Serve the API, the console and, unless told otherwise, queued tasks."""
    said: dict[str, Any] = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    if sandbox:
        said |= {"data_dir": Path("data/sandbox"), "allow_private_networks": "127.0.0.0/8", "log_format": "console"}
    with refusing():
        settings = read_settings(**said)
        if workers > 1:
            _demand_shared_database(settings, sandbox=sandbox)
        child = descriptor is not None
        listener = socket.socket(fileno=descriptor) if child else take(settings.host, settings.port)
        secrets = ensure_secrets(settings)
        tell_generated(secrets)
        start_logging(settings)
        share_arenas()
        if workers > 1:
            raise typer.Exit(asyncio.run(_serve_with(settings, workers, listener, worker=worker)))
        uvloop.run(_serve(settings, secrets, sandbox=sandbox, worker=worker, listener=listener, child=child))


def _demand_shared_database(settings: Settings, *, sandbox: bool) -> None:
    """SQLite has one writer, who groups commits: several processes would wait for each other's locks instead."""
    if sandbox:
        raise SettingsInvalid(["--sandbox is for one process, without --workers"])
    if not settings.postgres:
        raise SettingsInvalid([f"--workers needs PostgreSQL: set {PREFIX}DATABASE_URL, or let one process serve"])


async def _serve_with(settings: Settings, count: int, listener: socket.socket, *, worker: bool) -> int:
    async with open_database(settings):  # what is wrong with it is told once, not by every process
        pass
    listener.listen(BACKLOG)
    command = (sys.executable, "-m", "app.cli", "serve", "--worker" if worker else "--no-worker")
    with TemporaryDirectory(prefix="oneshape-metrics-") as folder:
        return await Workers(command, listener, count=count, clock=Clock(), folder=Path(folder)).run()


async def _serve(
    settings: Settings, secrets: Secrets, *, sandbox: bool, worker: bool, listener: socket.socket, child: bool
) -> None:
    """`child`: this is a process of --workers."""
    stack = AsyncExitStack()
    left_s = 0.0
    try:
        source = None
        if sandbox:
            url = await stack.enter_async_context(serve_sandbox(SandboxConfig(task_seconds=2)))
            source = sandboxed_source(url)
        services = await stack.enter_async_context(
            open_services(settings, secrets, env=environment(), clock=Clock(), source=source, tasks=worker)
        )
        if sandbox:
            await _print_trial(services, settings)
        allow_connections(settings.max_connections)
        config = make_config(
            create_app(services),
            limits=connection_limits(settings),
            keep_alive_s=settings.keep_alive_s,
            grace_s=settings.grace_s,
            refused=telling(services.metrics.refused),
        )
        server = GatewayServer(config)
        if child:
            asyncio.get_running_loop().add_reader(sys.stdin.fileno(), _stop_orphan, server)
        _rest_collector()
        await server.serve(sockets=[listener])
        left_s = server.seconds_left(settings.grace_hard_s)
    finally:
        await close_within(stack, left_s)


def _rest_collector() -> None:
    """Leaves what start has made out of every later look for cycles, and looks less often.

    Nothing a request makes is in a cycle as a rule, and the collector's looks were a tenth of what one costs
    (docs/decisions, 0011).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 20, 20)


def _stop_orphan(server: GatewayServer) -> None:
    """Whoever started us for --workers is gone: nobody would ever stop us. (It never writes.)"""
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    server.handle_exit(SIGTERM, None)


async def _print_trial(services: Services, settings: Settings) -> None:
    """A ready key, a request to copy, and where to look."""
    account = await services.accounts.create(AccountForm(name="trial", billing="prepaid"))
    await services.accounts.grant(account.id, GrantForm(units=TRIAL_UNITS, reason="to try it"))
    key = (await services.accounts.create_key(KeyForm(account_id=account.id, name="trial"))).secret
    base = f"http://{settings.host}:{settings.port}"
    body = '{"model":"nano-banana-pro-2k","prompt":"a red fox reading a map","aspect_ratio":"16:9"}'
    for line in (
        "Oneshape with simulated vendors: pictures are drawn here, nothing leaves this machine.",
        f"  key      {key}  (with {currency_of(TRIAL_UNITS)} {services.catalog().currency} on it)",
        f"  API      {base}/v1",
        f"  console  {base}/console  (admin key {services.admin_key})",
        f"  try      curl {base}/v1/images/generations -H 'Authorization: Bearer {key}' \\",
        f"             -H 'Content-Type: application/json' -d '{body}'",
    ):
        typer.echo(line, err=True)


def sandbox(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on.")] = 8090,
    task_seconds: Annotated[float, typer.Option(help="How long an asynchronous task takes.")] = 2.0,
) -> None:
    """Serve the simulated vendors, each under its own prefix."""
    with refusing():
        listener = take(host, port)
    app = create_sandbox(SandboxConfig(task_seconds=task_seconds))
    for vendor, path in BASE_PATHS.items():
        typer.echo(f"{vendor:14} http://{host}:{port}{path}")
    typer.echo(f"any key that starts with sandbox- is accepted; faults: http://{host}:{port}/_faults")
    uvicorn.Server(make_config(app)).run(sockets=[listener])
