"""How long a vendor may take, what a reply is while it arrives: the contract between text chat and its transports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

QUIET_S: Final = 10.0
"""After so long without a byte, whoever relays is told, to keep its own client awake."""
REUSED_WITHIN_S: Final = 3.0
"""How long a connection may have been idle and still carry a call. Servers close idle ones, often after 5 s (uvicorn,
Node.js, Apache), and a call that meets the closing is cut: nobody can tell whether it was taken, so it is not sent
again. Of calls 4.9 to 5.1 s after the last, one in ten was lost that way (November 2026, uvicorn 0.54).
"""


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds: to connect, until the first byte of the answer, between two bytes, and for all of it; and until whoever
    relays is told that it is quiet.
    """

    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 60.0
    total_s: float = 600.0
    quiet_s: float = QUIET_S


@dataclass(frozen=True, slots=True)
class Post:
    """One POST of JSON. `url` is where, as it stands; `credential` goes as a Bearer token; `more_headers` as such."""

    url: str
    credential: str
    body: bytes
    more_headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Get:
    """One GET. `base_url` is what many have in common, `path` follows it as it stands; else as `Post`."""

    base_url: str
    path: str
    credential: str
    more_headers: Mapping[str, str] = field(default_factory=dict)


class Arriving(Protocol):
    """A reply whose head is here. Header names are in lower case; of repeated ones the last counts."""

    @property
    def status(self) -> int:
        """The HTTP status, 200 or above."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The header fields."""
        ...

    async def chunk(self) -> bytes | None:
        """The next bytes of the body; empty at its end; None when it has been quiet.

        Raises: VendorFailure (cut, timed_out, unreadable).
        """
        ...

    def close(self, *, soon: bool = False) -> None:
        """Gives up what has not arrived. To be called always; repeating it does nothing.

        `soon`: only the end is missing; it is waited for in the background, so that the connection can be kept.
        """
        ...


class ChatTransport(Protocol):
    """Posts text requests. Two are in use: the process's own HTTP client, and httpx with whatever transport it has."""

    async def post(self, post: Post, waits: Waits) -> Arriving:
        """Sends, and returns when the head of the reply is there.

        Raises: VendorFailure: unreachable (nothing was sent), or cut, timed_out, unreadable (it may have been).
        """
        ...

    async def aclose(self) -> None:
        """Closes every connection."""
        ...
