"""Reads fields of a JSON request with one clear refusal each. No meaning of any vendor."""

from collections.abc import Sequence
from typing import Final, Literal, overload

from app.sandbox.orders import PictureFormat, Reference
from app.sandbox.references import ReferenceReader
from app.sandbox.refusals import Refusal

Json = dict[str, object]

SHORT_TEXTS: Final = 8_000
"""Characters that a message may have under the fault `short_texts`."""


@overload
def text_at(body: Json, name: str, *, required: Literal[True]) -> str: ...
@overload
def text_at(body: Json, name: str, *, required: Literal[False] = False) -> str | None: ...
def text_at(body: Json, name: str, *, required: bool = False) -> str | None:
    """A string field; None when it is absent or null and not required. Raises Refusal (400)."""
    value = body.get(name)
    if value is None and not required:
        return None
    if not isinstance(value, str) or (required and not value.strip()):
        raise Refusal(400, f"{name} must be a non-empty string.", param=name)
    return value


def whole_number_at(body: Json, name: str, *, default: int, allowed: range) -> int:
    """An integer field inside a range. Raises Refusal (400)."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise Refusal(400, f"{name} must be an integer from {allowed.start} to {allowed.stop - 1}.", param=name)
    return value


def flag_at(body: Json, name: str) -> bool:
    """A boolean field, false when absent. Raises Refusal (400)."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise Refusal(400, f"{name} must be a boolean.", param=name)
    return value


def object_at(body: Json, *path: str) -> Json:
    """The object at a path; empty when any step is absent. Raises Refusal (400) when a step is something else."""
    found: Json = body
    for name in path:
        value = found.get(name, {})
        if not isinstance(value, dict):
            raise Refusal(400, f"{name} must be an object.", param=name)
        found = value
    return found


def one_of(value: str | None, allowed: Sequence[str], *, param: str) -> str | None:
    """The value, when it is None or allowed. Raises Refusal (400) listing what is."""
    if value is not None and value not in allowed:
        raise Refusal(400, f"{param} must be one of {', '.join(allowed)}.", param=param)
    return value


def format_of(
    value: str | None, allowed: Sequence[PictureFormat], *, default: PictureFormat, param: str
) -> PictureFormat:
    """A picture format a model can make. Raises Refusal (400)."""
    for picture_format in allowed:
        if value == picture_format:
            return picture_format
    if value is not None:
        raise Refusal(400, f"{param} must be one of {', '.join(allowed)}.", param=param)
    return default


def chat_order(body: Json, references: ReferenceReader) -> tuple[str, tuple[Reference, ...]]:
    """The text of the last user message, and the pictures of all user messages. Raises Refusal (400)."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refusal(400, "messages must be a non-empty array.", param="messages")
    prompt, pictures = "", []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise Refusal(400, "Every message needs a role.", param="messages")
        if message["role"] == "user":
            prompt, shown = _user_content(message.get("content"), references)
            pictures += shown
    if not prompt.strip() and not pictures:
        raise Refusal(400, "The last user message has no content.", param="messages")
    return prompt, tuple(pictures)


def refuse_messages(body: Json, faults: frozenset[str]) -> None:
    """Plays the faults of stage `request` on a chat that `chat_order` has read. Raises Refusal (400)."""
    messages = body["messages"]
    contents = [message.get("content") for message in messages] if isinstance(messages, list) else []
    if "string_content_400" in faults and any(isinstance(content, str) for content in contents):
        raise Refusal(400, "content must be an array of parts.", param="messages")
    if "short_texts" in faults and any(_characters(content) > SHORT_TEXTS for content in contents):
        raise Refusal(400, "The messages are too long.", code="context_length_exceeded", param="messages")


def _characters(content: object) -> int:
    """How much text a message has, its pictures not counted."""
    if isinstance(content, list):
        return sum(len(str(part.get("text", ""))) for part in content if isinstance(part, dict))
    return len(content) if isinstance(content, str) else 0


def _user_content(content: object, references: ReferenceReader) -> tuple[str, list[Reference]]:
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise Refusal(400, "content must be a string or an array of parts.", param="messages")
    texts, pictures = [], []
    for part in content:
        match part:
            case {"type": "text", "text": str(text)}:
                texts.append(text)
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                pictures.append(references.from_url(url, param="image_url"))
            case _:
                raise Refusal(400, "A content part must be text or image_url.", param="messages")
    return " ".join(texts), pictures
