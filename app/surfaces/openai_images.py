"""OpenAI's Images API as clients speak it: generations and edits in, `data` or stream events out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.core.errors import GatewayError, InvalidRequest
from app.core.exchange import FilePart, Json
from app.core.image import ImageAnswer, ImageInput, ImageRequest, ImageUsage, ResponseFormat, ServedImage
from app.core.media import Blobs, BlobText
from app.wire.forms import unbracket
from app.wire.image_body import read_image_body
from app.wire.openai import base64_of, error_body, format_of, image_item, image_usage, oneshape, size_of
from app.wire.references import References, picture_of
from app.wire.said import KEY_CHARS_MAX, unknown_parameter

_FILE_NAME = re.compile(r"(image|images|mask)(?:\[[0-9]*\]|_[0-9]+)?")


def parse(body: Mapping[str, Json], blobs: Blobs) -> ImageRequest:
    """A generation: text-to-image, or image-to-image when `image` or `images` is there.

    `response_format` is settled here, since what is usual differs: base64 in a stream, a URL otherwise.

    Raises:
        InvalidRequest: a field is wrong, or fields contradict each other.
    """
    return _request(body, References(blobs))


def parse_edit(body: Mapping[str, Json], blobs: Blobs) -> ImageRequest:
    """An edit that came as JSON (wire-facts 1.4). Raises: InvalidRequest, also without an image."""
    return _with_image(parse(body, blobs))


def parse_edit_form(fields: Sequence[tuple[str, str]], files: Sequence[FilePart], blobs: Blobs) -> ImageRequest:
    """An edit that came as a form: pictures as files or as texts, numbers as texts (wire-facts 1.3).

    Raises:
        InvalidRequest: a field is wrong, fields contradict each other, or there is no image.
    """
    body = unbracket(fields)
    references = References(blobs)
    masks: list[ImageInput] = []
    names: set[str] = {name for name in ("image", "images") if name in body}
    for file in files:
        if not file.filename and not file.blob.size_bytes:
            continue  # A browser's file input that was left empty.
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            references.warnings.append(unknown_parameter(file.name[:KEY_CHARS_MAX]))
        elif match[1] == "mask":
            masks.append(picture_of(file.blob, "mask"))
        else:
            names.add(match[1])
            references.add(picture_of(file.blob, file.name))
    if len(names) == 2:
        raise InvalidRequest(
            "'image' and 'images' must not be given together.", code="conflicting_parameters", param="images"
        )
    if len(masks) + ("mask" in body) > 1:
        raise InvalidRequest("'mask' must be one picture.", param="mask")
    request = _request(body, references, as_text=True)
    return _with_image(replace(request, mask=masks[0]) if masks else request)


def render(answer: ImageAnswer) -> Json:
    """The body of a finished request, always with the same keys."""
    first = answer.images[0]
    return {
        "created": int(answer.created_at),
        "model": answer.model,
        "data": [image_item(served, answer.response_format) for served in answer.images],
        "output_format": format_of(first),
        "size": size_of(first),
        "usage": image_usage(answer.usage),
        "oneshape": oneshape(answer),
    }


def render_stream(answer: ImageAnswer, *, edit: bool) -> list[tuple[str, Json]]:
    """The events of a finished streamed request, name and data: one `completed` per picture.

    The last one tells the usage of all, so that adding up is right; the Images API has no place for it but here.
    """
    name = "image_edit.completed" if edit else "image_generation.completed"
    last = len(answer.images) - 1
    events: list[tuple[str, Json]] = []
    for index, served in enumerate(answer.images):
        data = _completed(name, answer, served)
        data["usage"] = image_usage(answer.usage if index == last else ImageUsage())
        if index == last:
            data["oneshape"] = oneshape(answer)
        events.append((name, data))
    return events


def render_partial(
    served: BlobText, *, index: int, mime: str, width: int, height: int, created_at: float, edit: bool
) -> tuple[str, Json]:
    """The event of a picture that is still being drawn, name and data. It is in base64 always: it is kept nowhere."""
    name = "image_edit.partial_image" if edit else "image_generation.partial_image"
    data = {
        "type": name,
        "b64_json": served,
        "created_at": int(created_at),
        "size": f"{width}x{height}",
        "quality": "auto",
        "background": "auto",
        "output_format": mime.removeprefix("image/"),
        "partial_image_index": index,
    }
    return name, data


def render_error(error: GatewayError) -> Json:
    """The body of a failed request."""
    return error_body(error)


def render_stream_error(error: GatewayError) -> tuple[str, Json]:
    """The event that ends a stream that failed after it began; clients raise it by its `error` key (wire-facts 1.6)."""
    return "error", {"type": "error", **error_body(error)}


def _request(body: Mapping[str, Json], references: References, *, as_text: bool = False) -> ImageRequest:
    request = read_image_body(body, references, as_text=as_text, shows_partials=True)
    usual: ResponseFormat = "b64_json" if request.stream else "url"
    return replace(request, response_format=request.response_format or usual)


def _with_image(request: ImageRequest) -> ImageRequest:
    if not request.inputs:
        raise InvalidRequest("An edit needs an image.", code="missing_required_parameter", param="image")
    return request


def _completed(name: str, answer: ImageAnswer, served: ServedImage) -> dict[str, Json]:
    data: dict[str, Json] = {"type": name}
    if answer.response_format == "b64_json":
        data["b64_json"] = base64_of(served)
    return {
        **data,
        "url": served.url,
        "created_at": int(answer.created_at),
        "size": size_of(served),
        "quality": "auto",
        "background": "auto",
        "output_format": format_of(served),
        "revised_prompt": served.image.revised_prompt,
        "mime_type": served.image.mime,
        "width": served.image.width,
        "height": served.image.height,
    }
