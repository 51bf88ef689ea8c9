"""Pictures asked for in an OpenAI-compatible chat with `extra_body.google.image_config`, found wherever they come.

Requests: the chat pages of Uniall ("Native OpenAI Format") and InfinityBlue. Answers: wire-facts 0.1, 0.3, 2.5 and 5.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from app.core.catalog import Option, OptionValue, Target
from app.core.dialect import InputForm, Takes, option
from app.core.exchange import Call, Exchange, Failure, Json, Reply, VendorFailure
from app.core.image import ImageInput, ImageRequest, ImageResult, Pending
from app.core.media import Blobs, BlobText, sniff
from app.wire.pictures import Gallery
from app.wire.vendor_errors import DETAIL_CHARS, classify
from app.wire.vendor_usage import usage_of
from app.wire.vendor_words import reads_as_refusal

OPTIONS: Final[Mapping[str, Option]] = {
    "stream": Option(False, "Ask for server-sent events."),
    "send_extra_body": Option(True, "Tell ratio and resolution under a literal extra_body.google.image_config."),
    "send_dashed_keys": Option(False, "Tell ratio and format in the keys --aspect_ratio and --output_format too."),
    "size_token_half": Option("512", "How the vendor spells the 0.5K resolution.", ("512", "0.5K")),
    "content_style": Option(
        "auto",
        "How a message is written: a string unless there are reference pictures (auto), always an array of parts, or "
        "always a string; such a vendor takes no reference pictures.",
        ("auto", "parts", "string"),
    ),
}

_FORMATS: Final = frozenset({"png", "jpeg", "webp"})
_MESSAGE_FIELDS: Final = ("images", "image", "b64_json", "image_b64_json", "image_url")
_TEXT_BLOCKS: Final = frozenset({"text", "output_text"})
_PICTURE_BLOCKS: Final = frozenset({"image_url", "output_image", "image", "input_image"})
_PROGRESS: Final = re.compile(
    r"\W*(?:generating|processing|rendering|drawing|creating|queu(?:ed|ing)|in queue|in progress|progress|loading"
    r"|waiting|please wait|done|completed|finished|正在生成|正在处理|生成中|排队中|处理中|进度|请稍候)"
    r"(?: (?:your|the|an?) (?:image|picture|request))?\W*(?:\d{1,3}(?:\.\d+)?\s?%)?\W*|[^\w]*\d{1,3}(?:\.\d+)?\s?%\W*",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Choice:
    """One choice of the answer, its deltas put together."""

    text: list[str] = field(default_factory=list)
    pictures: list[Json] = field(default_factory=list)
    finish: str = ""
    refusal: str = ""


class ChatImages:
    """The dialect; stateless."""

    name = "chat_images"
    options = OPTIONS

    def takes(self, target: Target) -> Takes:
        """One picture per call; references unless messages must be strings."""
        dashed = bool(_option(target, "send_dashed_keys"))
        forms: tuple[InputForm, ...] = () if _option(target, "content_style") == "string" else ("url", "data")
        return Takes(
            input_forms=forms,
            aspect_ratio=dashed or bool(_option(target, "send_extra_body")),
            output_formats=_FORMATS if dashed else frozenset(),
            history=True,
        )

    def start(self, request: ImageRequest, target: Target) -> Exchange[ImageResult | Pending]:
        """One chat completion. Raises: VendorFailure."""
        reply = yield Call("/chat/completions", json=_document(request, target))
        if (failure := classify(reply)) is not None:
            raise failure
        return _result(reply)

    def glimpse(self, event: Json, blobs: Blobs) -> None:
        """Such vendors show nothing before it is done."""

    def poll(self, handle: str, target: Target) -> Exchange[ImageResult | Pending]:
        """Never called: a chat has no tasks."""
        raise AssertionError(f"{self.name} is never polled: {handle} at {target.model}")


def _option(target: Target, name: str) -> OptionValue:
    return option(OPTIONS, target, name)


def _document(request: ImageRequest, target: Target) -> Json:
    style = _option(target, "content_style")
    messages: list[Json] = [{"role": turn.role, "content": _content(turn.text, (), style)} for turn in request.history]
    messages.append({"role": "user", "content": _content(request.prompt, request.inputs, style)})
    document: dict[str, Json] = {"model": target.model, "stream": bool(_option(target, "stream")), "messages": messages}
    config = _image_config(request, target)
    if config and _option(target, "send_extra_body"):
        # Snake case: relays refuse camel case here (wire-facts 0.5, and section 5, row 25).
        document["extra_body"] = {"google": {"image_config": config}}
    if _option(target, "send_dashed_keys"):
        dashed = {"--aspect_ratio": request.aspect_ratio, "--output_format": request.output_format}
        document |= {key: value for key, value in dashed.items() if value is not None}
    return document


def _content(text: str, inputs: tuple[ImageInput, ...], style: OptionValue) -> Json:
    if style == "string" or (style == "auto" and not inputs):
        return text
    return [{"type": "text", "text": text}, *({"type": "image_url", "image_url": {"url": _url(one)}} for one in inputs)]


def _url(one: ImageInput) -> str | BlobText:
    if one.blob is None:
        assert one.url is not None, "an input is a URL or bytes"
        return one.url
    return BlobText(one.blob, f"data:{sniff(one.blob.head) or one.mime or 'image/png'};base64,")


def _image_config(request: ImageRequest, target: Target) -> dict[str, str]:
    config = {} if request.aspect_ratio is None else {"aspect_ratio": request.aspect_ratio}
    if target.resolution is not None:
        half = str(_option(target, "size_token_half"))
        config["image_size"] = half if target.resolution == "0.5K" else target.resolution
    return config


def _result(reply: Reply) -> ImageResult:
    documents = reply.events if reply.events is not None else (reply.document,)
    chunks = [document for document in documents if isinstance(document, dict)]
    if not any("choices" in chunk or "media" in chunk for chunk in chunks):
        raise VendorFailure(Failure.UNREADABLE, reply.text[:DETAIL_CHARS], status=reply.status)
    choices = _choices(chunks)
    gallery = Gallery(reply.blobs)
    for chunk in chunks:
        if isinstance(media := chunk.get("media"), dict):
            gallery.add(media.get("outputs"))
    for choice in choices:
        gallery.add(choice.pictures)
    text = "\n\n".join(filter(None, (_read_text(choice, gallery) for choice in choices)))
    if not gallery.pictures:
        said = text or " ".join(choice.refusal for choice in choices)
        raise gallery.missing(said.strip(), refused=any(map(_refused, choices)), status=reply.status)
    usage = next((usage for chunk in reversed(chunks) if (usage := chunk.get("usage"))), None)
    return ImageResult(gallery.pictures, _without_progress(text), usage_of(usage))


def _read_text(choice: _Choice, gallery: Gallery) -> str:
    text = "".join(choice.text)
    return gallery.add_text(text, links=not (_refused(choice) or reads_as_refusal(text)))


def _refused(choice: _Choice) -> bool:
    return choice.finish == "content_filter" or bool(choice.refusal)


def _choices(chunks: list[dict[str, Json]]) -> list[_Choice]:
    """The choices in the order of their index, whether they came whole (`message`) or in pieces (`delta`)."""
    choices: dict[int, _Choice] = {}
    for said in _said_choices(chunks):
        index = said.get("index")
        choice = choices.setdefault(index if type(index) is int else 0, _Choice())
        if isinstance(finish := said.get("finish_reason"), str):
            choice.finish = finish
        if isinstance(message := said.get("message"), dict):
            choice.text.clear()
            _take(message, choice)
        if isinstance(delta := said.get("delta"), dict):
            _take(delta, choice)
    return [choices[index] for index in sorted(choices)]


def _said_choices(chunks: list[dict[str, Json]]) -> Iterator[dict[str, Json]]:
    for chunk in chunks:
        said = chunk.get("choices")
        yield from (choice for choice in (said if isinstance(said, list) else ()) if isinstance(choice, dict))


def _take(message: dict[str, Json], choice: _Choice) -> None:
    """Adds what a message or a delta says: `content` as text, as blocks or null, and the fields beside it."""
    if isinstance(refusal := message.get("refusal"), str):
        choice.refusal += refusal
    choice.pictures += [message[name] for name in _MESSAGE_FIELDS if message.get(name)]
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, str):
            choice.text.append(block)
        elif isinstance(block, dict) and block.get("type") in _PICTURE_BLOCKS:
            choice.pictures.append(block)
        elif isinstance(block, dict) and block.get("type") in _TEXT_BLOCKS and isinstance(block.get("text"), str):
            choice.text.append(block["text"])


def _without_progress(text: str) -> str:
    """Without the lines that only told how far the vendor was (wire-facts section 5, row 14)."""
    lines = text.split("\n")
    kept = [line for line in lines if not line.strip() or _PROGRESS.fullmatch(line[:200]) is None]
    return text if len(kept) == len(lines) else "\n".join(kept).strip()
