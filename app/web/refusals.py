"""What the protocol refuses or ends by itself, before any application: a count of each kind, and a line where a client
was told something. Otherwise an attack on the protocol would be seen nowhere.
"""

from collections.abc import Callable
from typing import Final, Protocol

import structlog

log = structlog.get_logger("app.access")

SILENT: Final = "silent"
"""Closed without a word: nothing was asked in time."""
CROWDED_OUT: Final = "crowded_out"
"""Closed without a word: the longest silent of too many."""
SLOW_READER: Final = "slow_reader"
"""Cut off: it stopped taking its answer."""


class Refused(Protocol):
    """Told of each connection that the protocol ends."""

    def __call__(self, reason: str, *, code: str | None = None, request_id: str | None = None) -> None:
        """`reason`: the status that was answered, or one of this module's words; `code`, `request_id`: as answered."""


def untold(reason: str, *, code: str | None = None, request_id: str | None = None) -> None:
    """For servers that nobody watches."""


def telling(count: Callable[[str], None]) -> Refused:
    """Counts each by its reason, and logs those that were answered."""

    def tell(reason: str, *, code: str | None = None, request_id: str | None = None) -> None:
        count(reason)
        if request_id is not None:
            log.info("connection.refused", status=int(reason), code=code, request_id=request_id)
        else:
            log.debug("connection.ended", reason=reason)

    return tell
