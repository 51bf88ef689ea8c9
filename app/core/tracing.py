"""What is told to whoever records traces: which request work belongs to, and what became of each call of a vendor.

Off, all of it is a few calls that do nothing. How a place in a trace is written: W3C Trace Context, `traceparent`.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final, Protocol

from app.core.catalog import Target

PLACE: Final[ContextVar[str | None]] = ContextVar("oneshape_trace", default=None)
"""The `traceparent` of the request that is being worked on; None: nobody records. Tasks of the loop inherit it."""


class VendorSpan(Protocol):
    """Work at one vendor, from its first call until it is known what came of it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the vendor's calls carry beside their own fields, so that it can go on with the trace."""
        ...

    def of_task(self, task_id: str) -> None:
        """The task that this is done for."""
        ...

    def answered(self, *, model: str | None = None, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """What the vendor says of its answer; what it does not say is left out."""
        ...

    def end(self, outcome: str, *, status: int | None = None) -> None:
        """It is over: `delivered`, `wrong`, the name of a failure, or `abandoned`. `status`: the failure's, of HTTP."""
        ...


Calling = Callable[[Target], VendorSpan]
"""Is told that a vendor is called now."""


class _Unrecorded:
    """Nobody records."""

    __slots__ = ()
    headers: Mapping[str, str] = MappingProxyType({})

    def of_task(self, task_id: str) -> None:
        """Nothing."""

    def answered(self, *, model: str | None = None, input_tokens: int = 0, output_tokens: int = 0) -> None:
        """Nothing."""

    def end(self, outcome: str, *, status: int | None = None) -> None:
        """Nothing."""


UNRECORDED: Final[VendorSpan] = _Unrecorded()


def unrecorded(target: Target) -> VendorSpan:
    """The `Calling` of a process that records no traces."""
    return UNRECORDED
