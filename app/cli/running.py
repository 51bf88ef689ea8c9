"""Runs a command's work beside the database, and tells what went wrong in one line and an exit code."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Annotated, NoReturn, TypeVar

import typer
from pydantic import ValidationError

from app.core.clock import Clock
from app.core.errors import GatewayError, Overloaded
from app.gateway.catalog.findings import CatalogInvalid
from app.gateway.services import Services
from app.settings import Secrets, SettingsInvalid, ensure_secrets, environment, read_settings
from app.web.validation import body_error
from app.wiring import Operator, open_operator, open_services

T = TypeVar("T")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
After = Annotated[str | None, typer.Option(help="Go on after this cursor.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="How many to list.")]


class Exit(IntEnum):
    """What a command's exit code means."""

    FINE = 0
    PROBLEMS = 1
    USAGE = 2
    UNREACHABLE = 3


def run(work: Callable[[Operator], Awaitable[T]]) -> T:
    """Does the work with the settings of the environment, in the database they name, at the newest schema."""

    async def opened() -> T:
        settings = read_settings()
        secrets = ensure_secrets(settings)
        tell_generated(secrets)
        async with open_operator(settings, secrets, env=environment(), clock=Clock()) as operator:
            return await work(operator)

    with refusing():
        return asyncio.run(opened())


def run_beside(work: Callable[[Services], Awaitable[T]]) -> T:
    """Does the work with a gateway of this process's own, which serves nobody and does no tasks."""

    async def opened() -> T:
        settings = read_settings()
        secrets = ensure_secrets(settings)
        tell_generated(secrets)
        async with open_services(settings, secrets, env=environment(), clock=Clock(), tasks=False) as services:
            return await work(services)

    with refusing():
        return asyncio.run(opened())


@contextmanager
def refusing() -> Iterator[None]:
    """Ends the command with a line on stderr for every error that an operator can mend."""
    try:
        yield
    except SettingsInvalid as error:
        fail(*error.problems, code=Exit.USAGE)
    except ValidationError as error:
        fail(body_error(error.errors(include_url=False, include_input=False)).message, code=Exit.USAGE)
    except CatalogInvalid as error:
        fail(*map(str, error.errors), code=Exit.PROBLEMS)
    except Overloaded as error:
        fail(f"The database cannot be used: {_cause(error)}", code=Exit.UNREACHABLE)
    except OSError as error:
        fail(f"{error.filename or 'system'}: {error.strerror or error}", code=Exit.UNREACHABLE)
    except GatewayError as error:
        fail(error.message, code=Exit.USAGE)


def fail(*lines: str, code: Exit) -> NoReturn:
    """Prints what is wrong and ends the command."""
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(code)


def _cause(error: Overloaded) -> str:
    """The driver's own words where there are some: the message of the error itself is for clients."""
    origin = getattr(error.__cause__, "orig", None) or error.__cause__ or error
    return str(origin).strip().splitlines()[0] if str(origin).strip() else type(origin).__name__


def tell_generated(secrets: Secrets) -> None:
    """Prints the admin key that this start has made; nobody can read it off the API later."""
    if secrets.generated:
        typer.echo(f"A new admin key was made; it is shown this once: {secrets.admin_key}", err=True)
