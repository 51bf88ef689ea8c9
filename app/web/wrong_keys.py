"""Answers 429 to an address that keeps sending wrong keys. Right keys from the same address are served as ever.

Addresses are the connection's, or what a trusted proxy says of it (`proxies`): what else a header claims is never
believed (fault-cases A9, C42).
"""

from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response

from app.core.clock import Clock
from app.core.errors import GatewayError, PermissionDenied, RateLimited, Unauthenticated
from app.web.errors import on_gateway_error

log = structlog.get_logger(__name__)

WINDOW_S: Final = 60.0
BLOCK_S_MAX: Final = 900.0
ADDRESSES_MAX: Final = 10_000
WRONG: Final = frozenset({"invalid_api_key", "admin_only"})

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]


@dataclass(slots=True)
class _Record:
    """What one address did: wrong keys since `since`, and how long it is refused after `blocks` excesses."""

    since: float
    wrong: int = 0
    blocks: int = 0
    blocked_until: float = 0.0


class WrongKeys:
    """Counts wrong keys by address. After `per_minute` come a minute of refusals, two, four … up to a quarter hour."""

    def __init__(self, *, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def handlers(self) -> dict[int | type[Exception], Handler]:
        """Exception handlers for the errors that wrong keys cause."""
        return {Unauthenticated: self._on_error, PermissionDenied: self._on_error}

    def failed(self, address: str) -> float | None:
        """Counts one wrong key; the seconds for which more of them are refused, or None."""
        now = self._clock.monotonic()
        record = self._records.setdefault(_network(address), _Record(now))
        self._records.move_to_end(_network(address))
        if len(self._records) > ADDRESSES_MAX:
            self._records.popitem(last=False)
        if now < record.blocked_until:
            return record.blocked_until - now
        if now - record.since >= BLOCK_S_MAX:
            record.blocks = 0
        if now - record.since >= WINDOW_S:
            record.since, record.wrong = now, 0
        record.wrong += 1
        if record.wrong <= self._per_minute:
            return None
        block_s: float = min(WINDOW_S * 2**record.blocks, BLOCK_S_MAX)
        record.blocks += 1
        record.since = record.blocked_until = now + block_s
        log.warning("wrong_keys.blocked", address=_network(address), seconds=block_s)
        record.wrong = 0
        return block_s

    async def _on_error(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)
        if error.code in WRONG and request.client is not None:
            wait_s = self.failed(request.client.host)
            if wait_s is not None:
                error = RateLimited(
                    "Too many wrong keys came from this address.", retry_after_s=wait_s, should_retry=False
                )
        return await on_gateway_error(request, error)


def _network(address: str) -> str:
    """An address as it is counted: of IPv6 the /64, which is what one host is given."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or IPv6Address(int(parsed) >> 64 << 64))
    return address
