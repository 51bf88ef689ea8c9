"""A conversation with a vendor as a generator: it yields a Call, is sent the Reply, and returns an outcome.

Dialects write these; `upstream` drives them. Nothing here does I/O.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeVar

from app.core.media import Blob, Blobs

Json = Any
"""A JSON value as orjson reads it; in a document to send, strings may be BlobText."""

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class FilePart:
    """A file in a multipart body."""

    name: str
    filename: str
    mime: str
    blob: Blob


@dataclass(frozen=True, slots=True)
class Multipart:
    """A multipart/form-data body: text fields first, then files, streamed from where their bytes are."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[FilePart]


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to a vendor. `path` is appended to the vendor's base URL as it stands.

    `billable`: the vendor may charge for it, so it is recorded before it is sent and never sent twice.
    """

    path: str
    method: Literal["GET", "POST"] = "POST"
    json: Json | None = None
    form: Multipart | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    auth: Literal["bearer", "x-goog-api-key"] = "bearer"
    billable: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, with long base64 lifted out into `blobs`.

    `document` is the JSON body (None when it is not JSON, see `is_json`), `events` the JSON data of each SSE event
    when the body was an event stream, whatever was asked for. `text` is the beginning of the body, for classifying
    errors.
    """

    status: int
    document: Json | None = None
    is_json: bool = False
    events: tuple[Json, ...] | None = None
    text: str = ""
    retry_after_s: float | None = None
    blobs: Blobs = field(default_factory=Blobs)


Exchange = Generator[Call, Reply, Outcome]


class Failure(StrEnum):
    """How a vendor failed. The first group proves that it did not accept the work, so another target may be tried."""

    RATE_LIMITED = "rate_limited"
    UNAUTHORIZED = "unauthorized"
    OUT_OF_FUNDS = "out_of_funds"
    UNAVAILABLE = "unavailable"
    UNKNOWN_MODEL = "unknown_model"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"

    MODERATED = "moderated"
    NO_IMAGE = "no_image"
    FAILED = "failed"
    UNREADABLE = "unreadable"
    CUT = "cut"
    TIMED_OUT = "timed_out"

    @property
    def not_accepted(self) -> bool:
        """The vendor provably did no paid work: refused in words, or never reached."""
        return self in _NOT_ACCEPTED

    @property
    def unanswered(self) -> bool:
        """The request may have left and no answer was read: the vendor may have done the work and billed it."""
        return self in {Failure.CUT, Failure.TIMED_OUT}


_NOT_ACCEPTED = frozenset(
    {
        Failure.RATE_LIMITED,
        Failure.UNAUTHORIZED,
        Failure.OUT_OF_FUNDS,
        Failure.UNAVAILABLE,
        Failure.UNKNOWN_MODEL,
        Failure.REJECTED,
        Failure.UNREACHABLE,
    }
)


class VendorFailure(Exception):
    """A vendor did not deliver. `detail` is the vendor's own text, for the record and never shown as it is."""

    def __init__(
        self, failure: Failure, detail: str = "", *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{failure}: {detail}")
        self.failure = failure
        self.detail = detail
        self.status = status
        self.retry_after_s = retry_after_s

    def without(self, credential: str) -> "VendorFailure":
        """The same, where a vendor repeats the key it was called with: no pattern knows every vendor's keys (F81)."""
        if not credential or credential not in self.detail:
            return self
        told = self.detail.replace(credential, "[key]")
        return VendorFailure(self.failure, told, status=self.status, retry_after_s=self.retry_after_s)
