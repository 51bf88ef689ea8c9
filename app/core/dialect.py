"""What every image dialect offers: the contract between dispatch and the codecs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from app.core.catalog import Option, OptionValue, Target
from app.core.exchange import Exchange, Json
from app.core.image import Glimpse, ImageRequest, ImageResult, Pending
from app.core.media import Blobs

InputForm = Literal["url", "data"]
"""How references are handed over: as the URL the client named, or as bytes (inlined or uploaded by the dialect)."""


@dataclass(frozen=True, slots=True)
class Takes:
    """What a target can be told. Dispatch prepares inputs by it, fans `n` out by it and reports what is left as
    ignored.

    `input_forms`: in order of preference; a URL that no form takes is fetched, bytes that no form takes cannot be sent.
    `images_per_call`: the most pictures one call is asked for. `output_format`: the vendor can choose the format.
    `options`: the names of `ImageRequest.options` that are passed on. `partial_images`: it shows pictures while it
    draws them, when a stream is asked for.
    """

    input_forms: tuple[InputForm, ...]
    images_per_call: int = 1
    aspect_ratio: bool = True
    output_formats: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    history: bool = False
    mask: bool = False
    partial_images: bool = False


def option(declared: Mapping[str, Option], target: Target, name: str) -> OptionValue:
    """What the target's vendor is set to, or the declared default."""
    return target.vendor.options.get(name, declared[name].default)


class ImageDialect(Protocol):
    """A wire format for pictures. Pure: every method is a function of its arguments."""

    name: str
    options: Mapping[str, Option]

    def takes(self, target: Target) -> Takes:
        """What can be said to this target in this dialect, its vendor's options considered."""
        ...

    def start(self, request: ImageRequest, target: Target) -> Exchange[ImageResult | Pending]:
        """Asks for `request.n` pictures, inputs prepared by `takes`.

        Raises (inside the generator): VendorFailure.
        """
        ...

    def glimpse(self, event: Json, blobs: Blobs) -> Glimpse | None:
        """The look at a picture that an event of a stream shows while the stream goes on; None for all other events."""
        ...

    def poll(self, handle: str, target: Target) -> Exchange[ImageResult | Pending]:
        """Asks about accepted work; a dialect that never answers Pending is never asked. Raises: VendorFailure."""
        ...
