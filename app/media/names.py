"""What a stored picture may be called: an id of ours with an extension of ours, so that no name leads anywhere else."""

import re
from typing import Final

from app.core.errors import NotFound, Overloaded

_NAME: Final = re.compile(r"[a-z0-9_]{1,80}\.(png|jpg|webp|gif)")


def checked(name: str) -> str:
    """The name, when it is one of ours. Raises: NotFound (media_not_found) for every other (fault-cases E67)."""
    if not is_ours(name):
        raise not_found()
    return name


def is_ours(name: str) -> bool:
    """Whether a name is one that we give."""
    return _NAME.fullmatch(name) is not None


def not_found() -> NotFound:
    """The one answer for a picture that is not there."""
    return NotFound("There is no such picture.", code="media_not_found")


def unavailable() -> Overloaded:
    """The one answer when bytes cannot be kept or reached (fault-cases H97)."""
    return Overloaded("Pictures cannot be stored at the moment.", code="storage_unavailable")
