"""Google's generateContent with pictures out (wire-facts 4.4 to 4.6), and relays that serve it with Bearer keys.

The vendor's base URL ends in its version. Requests are written in camel case; answers are read in camel and snake case.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from app.core.catalog import Option, OptionValue, Target
from app.core.dialect import InputForm, Takes, option
from app.core.exchange import Call, Exchange, Failure, Json, Reply, VendorFailure
from app.core.image import ImageInput, ImageRequest, ImageResult, ImageUsage, Pending
from app.core.media import Blobs, BlobText, sniff
from app.wire.pictures import Gallery
from app.wire.vendor_errors import DETAIL_CHARS, classify
from app.wire.vendor_usage import count
from app.wire.vendor_words import reads_as_refusal

OPTIONS: Final[Mapping[str, Option]] = {
    "auth": Option("x-goog-api-key", "Where the key goes.", ("x-goog-api-key", "bearer")),
    "url_inputs": Option(
        "fetch",
        "What becomes of references named by URL: fetched and sent inline, or named to the vendor as fileData.",
        ("fetch", "file_data"),
    ),
}

_HALF_K: Final = "512"
_ROLES: Final = {"assistant": "model"}
_REFUSED: Final = frozenset(
    {
        "SAFETY",
        "IMAGE_SAFETY",
        "PROHIBITED_CONTENT",
        "IMAGE_PROHIBITED_CONTENT",
        "BLOCKLIST",
        "SPII",
        "RECITATION",
        "IMAGE_RECITATION",
        "MODEL_ARMOR",
        "JAILBREAK",
    }
)
"""The finish and block reasons that mean a refusal on content (wire-facts 4.5)."""

_Object = Mapping[str, Json]


class Gemini:
    """The dialect; stateless."""

    name = "gemini"
    options = OPTIONS

    def takes(self, target: Target) -> Takes:
        """One picture per call: more candidates are refused or ignored, and the format is not ours to choose (4.4)."""
        forms: tuple[InputForm, ...] = ("url", "data") if _option(target, "url_inputs") == "file_data" else ("data",)
        return Takes(input_forms=forms, history=True)

    def start(self, request: ImageRequest, target: Target) -> Exchange[ImageResult | Pending]:
        """One generateContent. Raises: VendorFailure."""
        path = f"/models/{quote(target.model, safe='')}:generateContent"
        auth = _option(target, "auth")
        reply = yield Call(
            path, json=_document(request, target), auth="bearer" if auth == "bearer" else "x-goog-api-key"
        )
        if (failure := classify(reply)) is not None:
            raise failure
        return _result(reply)

    def glimpse(self, event: Json, blobs: Blobs) -> None:
        """Such vendors show nothing before it is done."""

    def poll(self, handle: str, target: Target) -> Exchange[ImageResult | Pending]:
        """Never called: generateContent has no tasks."""
        raise AssertionError(f"{self.name} is never polled: {handle} at {target.model}")


def _option(target: Target, name: str) -> OptionValue:
    return option(OPTIONS, target, name)


def _document(request: ImageRequest, target: Target) -> Json:
    # System text goes as a user's: image models refuse instructions of the developer.
    contents: list[Json] = [
        {"role": _ROLES.get(turn.role, "user"), "parts": [{"text": turn.text}]} for turn in request.history
    ]
    parts: list[Json] = [{"text": request.prompt}, *(_part(one) for one in request.inputs)]
    contents.append({"role": "user", "parts": parts})
    config: dict[str, Json] = {"responseModalities": ["TEXT", "IMAGE"]}
    if (image_config := _image_config(request, target)) != {}:
        config["imageConfig"] = image_config
    return {"contents": contents, "generationConfig": config}


def _image_config(request: ImageRequest, target: Target) -> dict[str, str]:
    """Only what was said: the first Nano Banana fails when it is told a size (wire-facts 4.2)."""
    config = {} if request.aspect_ratio is None else {"aspectRatio": request.aspect_ratio}
    if target.resolution is not None:
        config["imageSize"] = _HALF_K if target.resolution == "0.5K" else target.resolution
    return config


def _part(one: ImageInput) -> Json:
    if one.blob is None:
        assert one.url is not None, "an input is a URL or bytes"
        return {"fileData": {"mimeType": one.mime or "image/jpeg", "fileUri": one.url}}
    mime = sniff(one.blob.head) or one.mime or "image/png"
    return {"inlineData": {"mimeType": mime, "data": BlobText(one.blob)}}


def _result(reply: Reply) -> ImageResult:
    answers = [answer for answer in _answers(reply) if isinstance(answer, dict)]
    if not any(_get(answer, name) is not None for answer in answers for name in ("candidates", "promptFeedback")):
        raise VendorFailure(Failure.UNREADABLE, reply.text[:DETAIL_CHARS], status=reply.status)
    gallery = Gallery(reply.blobs)
    candidates = [one for answer in answers for one in _objects(_get(answer, "candidates"))]
    said = "".join(text for one in candidates for text in _read(one, gallery))
    feedback = [one for answer in answers if isinstance(one := _get(answer, "promptFeedback"), dict)]
    said_reasons = [_get(one, "finishReason") for one in candidates] + [_get(one, "blockReason") for one in feedback]
    reasons = {reason for reason in said_reasons if isinstance(reason, str)}
    refused = bool(reasons & _REFUSED) or reads_as_refusal(said)
    text = gallery.add_text(said, links=not refused)
    if gallery.pictures:
        return ImageResult(gallery.pictures, text, _usage(answers))
    messages = [_get(one, name) for one in (*candidates, *feedback) for name in ("finishMessage", "blockReasonMessage")]
    said = next(
        (words for words in (text, *messages, *sorted(reasons - {"STOP"})) if isinstance(words, str) and words), ""
    )
    raise gallery.missing(said, refused=refused, status=reply.status)


def _answers(reply: Reply) -> list[Json]:
    """One answer, or the pieces of a streamed one: events, or one array (wire-facts 4.7)."""
    if reply.events is not None:
        return list(reply.events)
    return reply.document if isinstance(reply.document, list) else [reply.document]


def _read(candidate: _Object, gallery: Gallery) -> Iterator[str]:
    """Takes the pictures of a candidate, last one first, and yields its texts.

    Thoughts and their drafts are passed over; where a relay stripped their mark, the last is the real one (4.5).
    """
    pictures: list[Json] = []
    content = _get(candidate, "content")
    for part in _objects(_get(content, "parts") if isinstance(content, dict) else None):
        if part.get("thought") is True:
            continue
        if isinstance(text := part.get("text"), str):
            yield text
        if isinstance(inline := _get(part, "inlineData"), dict):
            pictures.append(inline.get("data"))
        if isinstance(file := _get(part, "fileData"), dict):
            pictures.append(_get(file, "fileUri"))
    gallery.add(pictures[::-1])


def _usage(answers: list[dict[str, Json]]) -> ImageUsage:
    said = [usage for answer in answers if isinstance(usage := _get(answer, "usageMetadata"), dict)]
    if not said:
        return ImageUsage()
    usage = said[-1]
    tokens = {
        _get(one, "modality"): count(_get(one, "tokenCount")) for one in _objects(_get(usage, "promptTokensDetails"))
    }
    return ImageUsage(
        input_tokens=count(_get(usage, "promptTokenCount")),
        output_tokens=count(_get(usage, "candidatesTokenCount")) + count(_get(usage, "thoughtsTokenCount")),
        input_text_tokens=tokens.get("TEXT", 0),
        input_image_tokens=tokens.get("IMAGE", 0),
    )


def _objects(value: Json) -> list[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _get(document: _Object, name: str) -> Json:
    """A field by its camel case name, or by the same name in snake case."""
    if name in document:
        return document[name]
    return document.get("".join(f"_{char.lower()}" if char.isupper() else char for char in name))
