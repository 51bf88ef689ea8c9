"""The socket that a process listens on, taken before anything is opened: a port in use is told at once, in one line."""

import socket
from contextlib import suppress
from typing import Final

BACKLOG: Final = 2048
"""Connections that may wait to be accepted."""


def take(host: str, port: int) -> socket.socket:
    """A socket at the address; port 0 takes a free one. It accepts nothing yet.

    Raises: OSError, its `filename` being the address: it is in use, or is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections inherit it. uvloop sets it anyway, asyncio only where it made the socket: else an answer's second
        # write waits 40 ms for the client's acknowledgement of the first.
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            with suppress(OSError):  # `::` alone: IPv4 has an address of its own
                taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise OSError(error.errno, error.strerror or str(error), f"{host}:{port}") from error
    return taken
