"""What a request's head must be before anybody looks at its meaning: pure rules on names and values, no sockets.

The parser (llhttp, by httptools) refuses by itself: two lengths, a length beside chunks, folded headers, bare line
feeds, control characters, chunk sizes that overflow. What it lets pass is refused here (fault-cases M3, M4, C37-C40).
"""

import re
from typing import Final

from app.core.errors import GatewayError, InvalidRequest, MethodNotAllowed

REFUSED_METHODS: Final = frozenset({b"CONNECT", b"TRACE"})
"""Tunnels and echoes: no route has them, and the parser gives them meanings of their own."""

HOST: Final = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")


def head_problem(method: bytes, version: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> GatewayError | None:
    """Why a request is refused by its head alone, or None. Names in `headers` are lower case."""
    if version not in ("1.0", "1.1"):
        return InvalidRequest("Only HTTP/1.0 and HTTP/1.1 are spoken here.")
    if method in REFUSED_METHODS:
        return MethodNotAllowed(f"{method.decode('ascii')} is not allowed here.")
    if not target.startswith(b"/") or b"#" in target:
        return InvalidRequest("The request target must be a path.")
    hosts = [value for name, value in headers if name == b"host"]
    # HTTP/1.0 knows no Host (health checks of balancers): where one is needed, web/origin.py asks for it.
    if len(hosts) > 1 or (not hosts and version == "1.1") or not all(HOST.fullmatch(host) for host in hosts):
        return InvalidRequest("The Host header is missing or not valid.")
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and (version == "1.0" or codings != [b"chunked"]):
        return InvalidRequest("The only Transfer-Encoding accepted is chunked.")
    return None
