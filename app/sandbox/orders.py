"""What a simulated vendor understood of a request, and what it makes of it. Plain data; no HTTP."""

from dataclasses import dataclass
from typing import Literal

PictureFormat = Literal["png", "jpeg", "webp"]
VendorName = Literal["uniall", "uniall-tasks", "infinityblue", "ccapi", "google", "openai", "openai-chat"]
PICTURE_VENDORS: frozenset[VendorName] = frozenset(
    {"uniall", "uniall-tasks", "infinityblue", "ccapi", "google", "openai"}
)


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference picture of a request: its bytes, or only a label when it lives where the sandbox cannot look."""

    label: str
    data: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request for pictures. `ratio` is what was asked, None when nothing was; width and height are pixels."""

    vendor: VendorName
    model: str
    prompt: str
    width: int
    height: int
    ratio: str | None
    format: PictureFormat
    n: int = 1
    references: tuple[Reference, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Encoded picture bytes, the mime type the vendor will declare, and the pixels it really has."""

    data: bytes
    mime_type: str
    width: int
    height: int
