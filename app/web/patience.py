"""How long a connection is waited for, and what is kept of a body while it arrives. No sockets, no clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

OVERHEAD_PER_BYTE: Final = 8
"""Bytes of chunk framing that one byte of a body may cost: `1 CRLF x CRLF` and some."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may take, in bytes and seconds, and how many there may be (fault-cases section 5).

    A body must arrive at `body_rate` bytes per second once it has taken `body_rate_after_s`.
    """

    header_s: float = 10.0
    header_bytes: int = 32 * 1024
    header_count: int = 100
    target_bytes: int = 8 * 1024
    body_idle_s: float = 15.0
    body_s: float = 300.0
    body_rate: int = 64 * 1024
    body_rate_after_s: float = 30.0
    write_idle_s: float = 60.0
    linger_s: float = 2.0
    connections: int = 4096


@dataclass(slots=True)
class Arriving:
    """A body on its way: when it was last heard of, and how much of it was content. Times are the loop's."""

    began_at: float
    keep_alive: bool = True
    declared: int = 0
    last_at: float = 0.0
    checked_at: float = 0.0
    received: int = 0
    raw: int = 0
    watched: bool = False

    def __post_init__(self) -> None:
        self.last_at = self.checked_at = self.began_at

    @property
    def overhead(self) -> int:
        """Bytes of framing beyond what even the smallest chunks need."""
        return self.raw - OVERHEAD_PER_BYTE * self.received

    def all_body(self, count: int) -> bool:
        """Whether the next so many bytes certainly are content: a declared length says so, chunks do not."""
        return count <= self.declared - self.received

    def late(self, now: float, limits: ConnectionLimits) -> bool:
        """Whether it has been silent, slow or under way for too long."""
        taken = now - self.began_at
        slow = taken > limits.body_rate_after_s and self.received < limits.body_rate * taken
        return slow or now - self.last_at >= limits.body_idle_s or taken >= limits.body_s

    def excuse(self, now: float) -> None:
        """Takes the time since the last look off the client's account."""
        self.began_at += now - self.checked_at
        self.last_at = now


class GentleTransport(asyncio.Transport):
    """What an answer to a half-received request is written to: closing it lets the client read the answer first."""

    def __init__(self, transport: asyncio.Transport, linger: Callable[[], None]) -> None:
        super().__init__()
        self._transport = transport
        self._linger = linger

    def write(self, data: "bytes | bytearray | memoryview[Any]") -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._linger()
