"""An attempt's states: written before the bytes leave, so that a crash never hides a paid call."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final


class AttemptState(StrEnum):
    """How far one try at one target got.

    intended: committed, nothing has left. sent: bytes may have left. accepted: the vendor answered that it does or did
    the work. refused: the vendor provably did not take it. unknown: sent, and no answer came; the vendor may have
    billed it.
    """

    INTENDED = "intended"
    SENT = "sent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    @property
    def allows_another(self) -> bool:
        """Whether the same work may be tried elsewhere: only when nothing can have been paid."""
        return self is AttemptState.REFUSED


ATTEMPT_TRANSITIONS: Final = MappingProxyType(
    {
        AttemptState.INTENDED: frozenset({AttemptState.SENT, AttemptState.REFUSED}),
        AttemptState.SENT: frozenset({AttemptState.ACCEPTED, AttemptState.REFUSED, AttemptState.UNKNOWN}),
        AttemptState.ACCEPTED: frozenset({AttemptState.UNKNOWN}),
        AttemptState.REFUSED: frozenset(),
        AttemptState.UNKNOWN: frozenset({AttemptState.ACCEPTED, AttemptState.REFUSED}),
    }
)
