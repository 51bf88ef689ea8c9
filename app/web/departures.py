"""How a request learns that its client has left, before anything is sent to it."""

from typing import Final

from starlette.types import Scope

from app.gateway.idempotency import Departures

DEPARTURES: Final = "oneshape.departures"
"""Where a connection puts it into the scope of its requests."""


def departures_of(scope: Scope) -> Departures | None:
    """None: the server does not tell."""
    departures: Departures | None = scope.get(DEPARTURES)
    return departures
