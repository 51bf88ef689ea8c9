"""The URL guard: which URLs that others gave us may be reached, and at which addresses. It opens no connection.

A URL is parsed once; what is checked here is the object that `door` connects with (fault-cases D47-D54, M7).
"""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Self

import httpx

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Takes a host name and a port, returns all its addresses as text. Raises: OSError when there is none."""

MAX_URL_LENGTH: Final = 8192

_PORTS: Final = {"http": 80, "https": 443}
_MAX_NAME_LENGTH: Final = 253
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*")
_LAST_LABEL_IS_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")

# IANA's special-purpose registries, and what clouds put on public-looking addresses. `is_global` is not enough (M7).
_DENIED_V4: Final = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier NAT; Alibaba's metadata service is 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host service
        "169.254.0.0/16",  # link-local; the metadata service of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)

# Only global unicast is reached at all. So loopback, IPv4-mapped and -compatible, NAT64, unique local, link-local,
# site-local and multicast addresses are out without being listed.
_GLOBAL_V6: Final = IPv6Network("2000::/3")
_DENIED_V6: Final = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # protocol assignments, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: any IPv4 address inside
        "3fff::/20",  # documentation
    )
)


class MalformedUrl(Exception):
    """Not a URL of a kind that we open. The text says why, without the URL."""


class ForbiddenUrl(Exception):
    """A URL that leads where we do not go. The text says why, without the URL; it is not for clients."""


class UnknownHost(Exception):
    """A name without an address."""


class AddressPolicy:
    """Which addresses may be connected to: public ones, and the networks that the operator allowed."""

    def __init__(self, allowed_networks: Iterable[str] = ()) -> None:
        """`allowed_networks`: CIDRs (`ALLOW_PRIVATE_NETWORKS`). Raises: ValueError when one is none."""
        self._allowed: tuple[Network, ...] = tuple(ip_network(text) for text in allowed_networks)

    def allows(self, address: Address) -> bool:
        """Whether this address may be connected to."""
        if self.trusts(address):
            return True
        if isinstance(address, IPv4Address):
            return not any(address in network for network in _DENIED_V4)
        return address in _GLOBAL_V6 and not any(address in network for network in _DENIED_V6)

    def trusts(self, address: Address) -> bool:
        """Whether the operator named this address's network: there, any port may be used."""
        return any(address in network for network in self._allowed)


@dataclass(frozen=True, slots=True)
class CheckedUrl:
    """A URL taken apart once. `host` is an ASCII name or an address in its one spelling; `target` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def literal(self) -> Address | None:
        """The address, when the host is one and no name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None

    def redirected(self, location: str) -> Self:
        """Where a `Location` header leads from here. Raises: ForbiddenUrl, also for a step down from https to http."""
        try:
            _refuse_odd_characters(location)
            target = parse_url(str(httpx.URL(f"{self.scheme}://{self.authority}{self.target}").join(location)))
        except (MalformedUrl, httpx.InvalidURL, ValueError) as error:
            raise ForbiddenUrl("It redirects to something that is no URL.") from error
        if self.scheme == "https" and target.scheme != "https":
            raise ForbiddenUrl("It redirects from https to http.")
        return type(self)(target.scheme, target.host, target.port, target.target)


def parse_url(text: str) -> CheckedUrl:
    """The parts of an absolute http(s) URL. Raises: MalformedUrl; ForbiddenUrl for odd spellings of an address."""
    _refuse_odd_characters(text)
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError) as error:
        raise MalformedUrl("It cannot be read as a URL.") from error
    if url.scheme not in _PORTS:
        raise MalformedUrl("Only http and https are spoken.")
    port = _PORTS[url.scheme] if url.port is None else url.port
    if not 0 < port < 1 << 16:
        raise MalformedUrl("The port is out of range.")
    if "@" in re.split(r"[/?#]", text.partition("//")[2], maxsplit=1)[0]:
        raise MalformedUrl("A user name or password is in it.")
    return CheckedUrl(url.scheme, _host(host), port, url.raw_path.decode("ascii"))


async def permitted_addresses(url: CheckedUrl, policy: AddressPolicy, resolver: Resolver) -> tuple[Address, ...]:
    """The addresses behind the URL's host, in the resolver's order: connect to these and to no others.

    Raises: ForbiddenUrl when any one of them is denied, or the port is; UnknownHost when the name has no address.
    """
    literal = url.literal
    addresses = (literal,) if literal is not None else await _resolved(url, resolver)
    demand_permitted(url, policy, addresses)
    return addresses


def demand_permitted(url: CheckedUrl, policy: AddressPolicy, addresses: Sequence[Address]) -> None:
    """Raises: ForbiddenUrl when one of the addresses is denied, or the port is."""
    if not all(policy.allows(address) for address in addresses):
        raise ForbiddenUrl("Its address is not public.")
    if url.port not in _PORTS.values() and not all(policy.trusts(address) for address in addresses):
        raise ForbiddenUrl("Only the ports 80 and 443 are used.")


async def _resolved(url: CheckedUrl, resolver: Resolver) -> tuple[Address, ...]:
    try:
        addresses = tuple(dict.fromkeys(ip_address(text) for text in await resolver(url.host, url.port)))
    except OSError as error:
        raise UnknownHost("the name has no address") from error
    if not addresses:
        raise UnknownHost("the name has no address")
    return addresses


class SystemResolver:
    """The machine's own name service, in threads of its own: names that take long to resolve hold up nobody else."""

    def __init__(self, *, workers: int = 8) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses, ordered by RFC 6724. Raises: OSError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _resolve, host, port)

    def close(self) -> None:
        """Drops what is waiting; a lookup that is running ends by itself."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _resolve(host: str, port: int) -> Sequence[str]:
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _refuse_odd_characters(text: str) -> None:
    """Refuses what parsers are known to disagree about (vLLM CVE-2026-24779, Open WebUI CVE-2026-45400)."""
    if len(text) > MAX_URL_LENGTH:
        raise MalformedUrl(f"It is longer than {MAX_URL_LENGTH} characters.")
    if "\\" in text or any(character.isspace() or not character.isprintable() for character in text):
        raise MalformedUrl("It has a backslash, white space or control characters.")


def _host(host: str) -> str:
    """A name in lower case without its root dot, or an address in its one canonical spelling."""
    if "%" not in host:  # a zone of this machine's own
        with suppress(ValueError):
            return str(IPv6Address(host))
    name = host.lower().removesuffix(".")
    if len(name) > _MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise MalformedUrl("The host is no name and no address.")
    if _LAST_LABEL_IS_NUMBER.fullmatch(name):
        try:
            return str(IPv4Address(name))
        except ValueError as error:
            raise ForbiddenUrl("An address is spelled in an odd way.") from error
    return name
