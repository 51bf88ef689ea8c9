"""The one way out to URLs that others gave us: connects to the addresses that were checked and to no others."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Literal

import httpx

from app.media.guard import (
    Address,
    AddressPolicy,
    CheckedUrl,
    ForbiddenUrl,
    MalformedUrl,
    Resolver,
    UnknownHost,
    demand_permitted,
    permitted_addresses,
)

_MAX_ADDRESSES: Final = 3
"""How many of a host's addresses are tried: enough for one dead IPv6 path, not an amplifier."""

UNDELIVERED: Final = (TimeoutError, httpx.TransportError, ForbiddenUrl, MalformedUrl, UnknownHost)
"""What sending to a URL that somebody gave us may fail with, for callers that only need to know that it did."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take. The whole is bounded by the caller."""

    connect_s: float = 5
    idle_s: float = 15
    pool_s: float = 10


class Door:
    """Sends one request to one guarded URL, with no redirects followed and no credentials added.

    The transport is asked for an address, never for a name, so a name that resolves differently a moment later leads
    nowhere (fault-cases D53). The name stays in the Host header and in TLS.
    """

    def __init__(self, policy: AddressPolicy, *, resolver: Resolver, transport: httpx.AsyncBaseTransport) -> None:
        self._policy = policy
        self._resolver = resolver
        self._transport = transport

    async def check(self, url: CheckedUrl) -> None:
        """Connects to nothing. Raises: ForbiddenUrl; UnknownHost for a name without address."""
        await permitted_addresses(url, self._policy, self._resolver)

    def refuse_at_sight(self, url: CheckedUrl) -> None:
        """Asks nobody. Raises: ForbiddenUrl for an address that is written out and denied: `send` would refuse it."""
        if (address := url.literal) is not None:
            demand_permitted(url, self._policy, (address,))

    @asynccontextmanager
    async def send(
        self,
        method: Literal["GET", "POST"],
        url: CheckedUrl,
        *,
        headers: Mapping[str, str],
        content: bytes = b"",
        patience: Patience,
    ) -> AsyncIterator[httpx.Response]:
        """The answer, its body still to be read. Raises: ForbiddenUrl; UnknownHost; httpx.TransportError."""
        addresses = await permitted_addresses(url, self._policy, self._resolver)
        response = await self._first_answer(
            [_request(method, url, address, headers, content, patience) for address in addresses[:_MAX_ADDRESSES]]
        )
        try:
            yield response
        finally:
            await response.aclose()

    async def _first_answer(self, requests: list[httpx.Request]) -> httpx.Response:
        for request in requests[:-1]:
            try:
                return await self._transport.handle_async_request(request)
            except httpx.ConnectError:
                continue
        return await self._transport.handle_async_request(requests[-1])


def _request(
    method: str, url: CheckedUrl, address: Address, headers: Mapping[str, str], content: bytes, patience: Patience
) -> httpx.Request:
    return httpx.Request(
        method,
        httpx.URL(scheme=url.scheme, host=str(address), port=url.port, raw_path=url.target.encode("ascii")),
        headers={"Host": url.authority, "Accept-Encoding": "identity", **headers},
        content=content,
        extensions={
            "timeout": {
                "connect": patience.connect_s,
                "read": patience.idle_s,
                "write": patience.idle_s,
                "pool": patience.pool_s,
            },
            **({"sni_hostname": url.host} if url.scheme == "https" and not url.literal else {}),
        },
    )
