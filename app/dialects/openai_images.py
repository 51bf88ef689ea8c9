"""OpenAI's Images API and the resellers that extend it. Without options it is OpenAI itself (wire-facts 1.2-1.5).

Extensions seen: top-level `aspect_ratio` and `image` (ccapi's "Generate Image" page).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from app.core.catalog import Option, OptionValue, Target
from app.core.dialect import InputForm, Takes, option
from app.core.exchange import Call, Exchange, Failure, FilePart, Json, Multipart, Reply, VendorFailure
from app.core.image import Glimpse, ImageInput, ImageRequest, ImageResult, Pending
from app.core.media import EXTENSIONS, Blobs, BlobText, sniff
from app.core.shape import pixels
from app.wire.pictures import Gallery
from app.wire.vendor_errors import DETAIL_CHARS, classify
from app.wire.vendor_usage import usage_of

OPTIONS: Final[Mapping[str, Option]] = {
    "aspect_ratio": Option(
        "size", "How a ratio is told: as OpenAI's size in pixels, or in a field of its own.", ("size", "top_level")
    ),
    "edits": Option(
        "multipart",
        "Where reference pictures go: uploaded to /images/edits, or named in the JSON of /images/generations.",
        ("multipart", "generations"),
    ),
    "image_field": Option(
        "none",
        "Where references stand when edits is generations: image (one as a string, several as an array) or images.",
        ("none", "image", "images"),
    ),
    "response_format": Option("omit", "Whether and which response_format is asked for.", ("omit", "url", "b64_json")),
    "output_format": Option(
        "auto", "Whether the vendor takes output_format; auto: when it speaks OpenAI's size.", ("auto", True, False)
    ),
    "partial_images": Option(
        "auto",
        "Whether the vendor streams and takes partial_images; auto: when it speaks OpenAI's size.",
        ("auto", True, False),
    ),
    "images_per_call": Option(
        0, "The most pictures one call is asked for; 0: ten when the vendor speaks OpenAI's size, else one."
    ),
    "generations_path": Option("/images/generations", "Appended to the base URL."),
    "edits_path": Option("/images/edits", "Appended to the base URL."),
}

_OPENAI_N: Final = 10
_FORMATS: Final = frozenset({"png", "jpeg", "webp"})
_OPENAI_FIELDS: Final = frozenset(
    {"quality", "background", "style", "moderation", "input_fidelity", "safety_identifier"}
)
_LOOKS_MAX: Final = 32
"""Pictures that one answer may bring, looks at unfinished ones among them; what would be more is asked for whole."""
_SIZES: Final = {"3:2": "1536x1024", "2:3": "1024x1536"}
"""The sizes every GPT image model takes (wire-facts 1.2); the square one is what `pixels` says too."""
_ECHOES: Final = ("According my description, output image:", "According to my description, output image:")
"""What ccapi puts before the prompt it was given (its page, seen 2026-03-16)."""


class OpenAIImages:
    """The dialect; stateless."""

    name = "openai_images"
    options = OPTIONS

    def takes(self, target: Target) -> Takes:
        """By the vendor's options: what OpenAI has, or what a reseller's page documents."""
        plain = _speaks_size(target)
        per_call = int(_option(target, "images_per_call"))
        return Takes(
            input_forms=_input_forms(target),
            images_per_call=per_call or (_OPENAI_N if plain else 1),
            output_formats=_FORMATS if _takes_format(target) else frozenset(),
            options=_OPENAI_FIELDS if plain else frozenset(),
            mask=_option(target, "edits") == "multipart",
            partial_images=_takes_partials(target),
        )

    def start(self, request: ImageRequest, target: Target) -> Exchange[ImageResult | Pending]:
        """One generation or edit. Raises: VendorFailure."""
        reply = yield _call(request, target)
        if (failure := classify(reply)) is not None:
            raise failure
        return _result(reply, request.prompt)

    def glimpse(self, event: Json, blobs: Blobs) -> Glimpse | None:
        """What a `partial_image` event shows (wire-facts 1.6)."""
        match event:
            case {"type": str(kind), "b64_json": str(text), "partial_image_index": int(index)}:
                blob = blobs.decode(text) if kind.endswith(".partial_image") else None
                return None if blob is None else Glimpse(index, blob)
            case _:
                return None

    def poll(self, handle: str, target: Target) -> Exchange[ImageResult | Pending]:
        """Never called: these endpoints have no tasks."""
        raise AssertionError(f"{self.name} is never polled: {handle} at {target.model}")


def _option(target: Target, name: str) -> OptionValue:
    return option(OPTIONS, target, name)


def _speaks_size(target: Target) -> bool:
    return _option(target, "aspect_ratio") == "size"


def _takes_format(target: Target) -> bool:
    said = _option(target, "output_format")
    return _speaks_size(target) if said == "auto" else bool(said)


def _takes_partials(target: Target) -> bool:
    said = _option(target, "partial_images")
    return _speaks_size(target) if said == "auto" else bool(said)


def _input_forms(target: Target) -> tuple[InputForm, ...]:
    if _option(target, "edits") == "multipart":
        return ("data",)
    return () if _option(target, "image_field") == "none" else ("url", "data")


def _call(request: ImageRequest, target: Target) -> Call:
    fields = _fields(request, target)
    if not request.inputs:
        return Call(str(_option(target, "generations_path")), json=fields)
    if _option(target, "edits") == "multipart":
        form = Multipart([(name, _form_text(value)) for name, value in fields.items()], _files(request))
        return Call(str(_option(target, "edits_path")), form=form)
    references = [_reference(one) for one in request.inputs]
    name = str(_option(target, "image_field"))
    fields[name] = references[0] if name == "image" and len(references) == 1 else references
    return Call(str(_option(target, "generations_path")), json=fields)


def _fields(request: ImageRequest, target: Target) -> dict[str, Json]:
    """What is said in JSON and in forms alike; nothing that was not asked for."""
    fields: dict[str, Json] = {"model": target.model, "prompt": request.prompt}
    if request.n > 1:
        fields["n"] = request.n
    fields |= _shape(request, target)
    if _takes_format(target) and request.output_format is not None:
        fields["output_format"] = request.output_format
        if request.output_compression is not None and request.output_format != "png":
            fields["output_compression"] = request.output_compression
    if _speaks_size(target):
        fields |= {name: value for name, value in request.options.items() if name in _OPENAI_FIELDS}
    looks = request.n * (request.partial_images + 1)
    if request.stream and request.partial_images and looks <= _LOOKS_MAX and _takes_partials(target):
        fields |= {"stream": True, "partial_images": request.partial_images}
    if (wanted := _option(target, "response_format")) != "omit":
        fields["response_format"] = wanted
    return fields


def _shape(request: ImageRequest, target: Target) -> dict[str, Json]:
    """Ratio and resolution: in pixels for OpenAI, in fields of their own elsewhere."""
    if not _speaks_size(target):
        told = {"aspect_ratio": request.aspect_ratio, "resolution": target.resolution}
        return {name: value for name, value in told.items() if value is not None}
    if request.size is not None:
        return {"size": str(request.size)}
    resolution = target.resolution or request.resolution
    if request.aspect_ratio is not None:
        usual = _SIZES.get(request.aspect_ratio) if resolution is None else None
        return {"size": usual or str(pixels(request.aspect_ratio, resolution or "1K"))}
    if target.resolution is not None and not request.inputs:
        return {"size": str(pixels("1:1", target.resolution))}
    return {}


def _form_text(value: Json) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _files(request: ImageRequest) -> list[FilePart]:
    files = [_file("image[]", f"image-{index}", one) for index, one in enumerate(request.inputs, start=1)]
    if request.mask is not None:
        files.append(_file("mask", "mask", request.mask))
    return files


def _file(name: str, stem: str, one: ImageInput) -> FilePart:
    assert one.blob is not None, "takes() asks for bytes"
    mime = _mime(one)
    return FilePart(name, f"{stem}.{EXTENSIONS.get(mime, 'png')}", mime, one.blob)


def _reference(one: ImageInput) -> str | BlobText:
    if one.blob is None:
        assert one.url is not None, "an input is a URL or bytes"
        return one.url
    return BlobText(one.blob, f"data:{_mime(one)};base64,")


def _mime(one: ImageInput) -> str:
    known = sniff(one.blob.head) if one.blob is not None else None
    return known or one.mime or "image/png"


def _result(reply: Reply, prompt: str) -> ImageResult:
    items = list(_items(reply))
    gallery = Gallery(reply.blobs)
    for item in items:
        said = item.get("revised_prompt") if isinstance(item, dict) else None
        gallery.add(item, revised_prompt=_revised(said, prompt))
    if not gallery.pictures:
        texts = [item.get("revised_prompt") or item.get("text") for item in items if isinstance(item, dict)]
        said = " ".join(text for text in texts if isinstance(text, str))
        raise gallery.missing(said, refused=False, status=reply.status)
    documents = reply.events if reply.events is not None else (reply.document,)
    usages = [doc["usage"] for doc in documents if isinstance(doc, dict) and doc.get("usage")]
    return ImageResult(gallery.pictures, usage=usage_of(usages[-1] if usages else None))


def _items(reply: Reply) -> Iterator[Json]:
    """The objects that are pictures: `data` of a document, or the completed events of a stream (wire-facts 1.6).

    Raises:
        VendorFailure: neither is there.
    """
    documents = reply.events if reply.events is not None else (reply.document,)
    readable = False
    for document in documents:
        if not isinstance(document, dict):
            continue
        kind = document.get("type")
        data = document.get("data", document.get("images"))
        readable = readable or isinstance(data, list | dict) or isinstance(kind, str)
        if isinstance(data, dict):
            data = data.get("data", data.get("images", [data]))
        if isinstance(data, list):
            yield from data
        elif isinstance(kind, str) and kind.endswith(".completed"):
            yield document
    if not readable:
        raise VendorFailure(Failure.UNREADABLE, reply.text[:DETAIL_CHARS], status=reply.status)


def _revised(said: Json, prompt: str) -> str | None:
    """The vendor's own prompt, when it is one and not ours read back (wire-facts 0.4)."""
    if not isinstance(said, str) or said.startswith(_ECHOES):
        return None
    said = said.strip()
    return None if not said or said == prompt.strip() else said
