"""What is noted about a request while it is served: for its log line, for the metrics, and for its answer's headers."""

from dataclasses import dataclass, field
from typing import Final

from starlette.types import Scope

_NOTE: Final = "oneshape.note"


@dataclass(slots=True)
class Note:
    """Ids and names only, never anything that a client made up. `text`: a text model was asked, not an image model.

    `headers` go with whatever this request is answered, an error included.
    """

    request_id: str = ""
    key_id: str | None = None
    model: str | None = None
    text: bool = False
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)


def note_of(scope: Scope) -> Note:
    """The note of a request."""
    note: Note | None = scope.get(_NOTE)
    if note is None:
        note = scope[_NOTE] = Note()
    return note
