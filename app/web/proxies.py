"""Believes the proxies that an operator names, and nobody else, about where a request came from and was sent to.

Without it every client behind a proxy has the proxy's address, and shares its limit on wrong keys (fault-cases C42).
"""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.framing import HOST

HOPS_MAX: Final = 32
"""A client may write any number of addresses in front of those that the proxies add: these are not even read."""
_ADDRESS: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?|([0-9.]+):\d{1,5}")
"""An address with a port, as some proxies write it."""


class Proxies:
    """Middleware: where a trusted proxy connects, its client's address, scheme and host become the request's."""

    def __init__(self, app: ASGIApp, trusted: Sequence[IPv4Network | IPv6Network]) -> None:
        self._app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes every request on."""
        if scope["type"] == "http" and (peer := scope.get("client")) is not None and self._trusts(_parsed(peer[0])):
            self._correct(scope)
        await self._app(scope, receive, send)

    def _correct(self, scope: Scope) -> None:
        said: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            if name.startswith(b"x-forwarded-"):
                said.setdefault(name, []).append(value)
        if (address := self._client(b",".join(said.get(b"x-forwarded-for", ())).decode("latin-1"))) is not None:
            scope["client"] = (str(address), 0)
        # Several values were not all written by the proxy in front of us: none of them is believed.
        if (protos := said.get(b"x-forwarded-proto")) and len(protos) == 1 and protos[0] in (b"http", b"https"):
            scope["scheme"] = protos[0].decode()
        if (hosts := said.get(b"x-forwarded-host")) and len(hosts) == 1 and HOST.fullmatch(hosts[0]):
            scope["headers"] = [(name, hosts[0] if name == b"host" else value) for name, value in scope["headers"]]

    def _client(self, forwarded_for: str) -> IPv4Address | IPv6Address | None:
        """The last address that none of our proxies has: each wrote down who connected to it, the last one last."""
        found = None
        for hop in forwarded_for.rsplit(",", HOPS_MAX)[-HOPS_MAX:][::-1]:
            address = _parsed(hop.strip())
            if address is None:
                break
            found = address
            if not self._trusts(address):
                break
        return found

    def _trusts(self, address: IPv4Address | IPv6Address | None) -> bool:
        return address is not None and any(address in network for network in self._trusted)


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port; None for what is none, such as a name or a zone."""
    if match := _ADDRESS.fullmatch(text):
        text = match[1] or match[2]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or (None if "%" in text else address)
