"""The waist for pictures: one request, one result, whatever the surface and whatever the dialect."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from app.core.media import Blob
from app.core.shape import Resolution, Size

ResponseFormat = Literal["url", "b64_json"]
OutputFormat = Literal["png", "jpeg", "webp"]
TaskType = Literal["text2image", "image2image"]

MIME_OF: Mapping[OutputFormat, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


@dataclass(frozen=True, slots=True)
class Warning:
    """Something the client said that was not honoured as written; reported in `oneshape.warnings`."""

    code: Literal["ignored", "unknown_parameter", "emulated", "mismatch", "duplicate"]
    param: str | None
    message: str


@dataclass(frozen=True, slots=True)
class ImageInput:
    """A reference picture: a URL, bytes, or a URL and the bytes fetched from it. `param` is where the client put it.

    `earlier`: it was shown in a turn before the prompt, so it is the first to be left out where not all can be taken.
    """

    url: str | None = None
    blob: Blob | None = None
    mime: str | None = None
    param: str = "image"
    earlier: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said before the prompt, for vendors that speak chat. `param` is where the client put it."""

    role: Literal["system", "user", "assistant"]
    text: str
    param: str = field(default="messages", compare=False)


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """What a client wants drawn. None means "not said".

    A surface builds it as the client said it; `Catalog` and `Capabilities` settle `model`, `aspect_ratio` and
    `resolution` before a dialect sees it. `options` are OpenAI's fields that only some vendors have (`quality`, `seed`
    …).
    """

    model: str
    prompt: str
    history: tuple[Turn, ...] = ()
    inputs: tuple[ImageInput, ...] = ()
    mask: ImageInput | None = None
    n: int = 1
    aspect_ratio: str | None = None
    resolution: Resolution | None = None
    size: Size | None = None
    output_format: OutputFormat | None = None
    output_compression: int | None = None
    response_format: ResponseFormat | None = None
    task_type: TaskType | None = None
    stream: bool = False
    partial_images: int = 0
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    webhook_url: str | None = None
    warnings: tuple[Warning, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """A picture at a vendor's URL, to be fetched at once: such URLs expire (wire-facts section 5, row 6)."""

    url: str
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that came inside the vendor's answer."""

    blob: Blob
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class ImageUsage:
    """Tokens as a vendor counts them; zero where it does not."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_text_tokens: int = 0
    input_image_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: "ImageUsage") -> "ImageUsage":
        return ImageUsage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.input_text_tokens + other.input_text_tokens,
            self.input_image_tokens + other.input_image_tokens,
        )


NO_TOKENS = ImageUsage()


@dataclass(frozen=True, slots=True)
class ImageResult:
    """What a vendor drew: at least one picture, in order, and what it wrote beside them."""

    images: tuple[RemoteImage | InlineImage, ...]
    text: str = ""
    usage: ImageUsage = NO_TOKENS


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A look at a picture that is still being drawn. `index`: which of its looks, from 0."""

    index: int
    blob: Blob


@dataclass(frozen=True, slots=True)
class Pending:
    """A vendor has accepted the work and will have it later, under `handle`; ask again after `poll_after_s`."""

    handle: str
    poll_after_s: float
    progress: int = 0


@dataclass(frozen=True, slots=True)
class DeliveredImage:
    """A picture that is stored here: what every surface renders. Measured from the bytes.

    `slot`: the first of the request's pictures that were asked for together with it; by it they are in order.
    """

    media_id: str
    mime: str
    width: int
    height: int
    size_bytes: int
    sha256: str
    revised_prompt: str | None = None
    slot: int = 0


@dataclass(frozen=True, slots=True)
class ServedImage:
    """A delivered picture as one answer serves it: `url` is signed and expires; `blob` is there when base64 was asked
    for.
    """

    image: DeliveredImage
    url: str
    blob: Blob | None = None


@dataclass(frozen=True, slots=True)
class ImageAnswer:
    """A finished image request, for any surface to render. `created_at` is unix seconds, `units` what was charged."""

    task_id: str
    model: str
    created_at: float
    images: tuple[ServedImage, ...]
    images_requested: int
    units: int
    response_format: ResponseFormat
    text: str = ""
    usage: ImageUsage = NO_TOKENS
    warnings: tuple[Warning, ...] = ()
