"""An OpenAI conversation as an order for a picture: the last user message is the prompt, what came before is history.

Pictures of every turn are references, those in the text of a turn too: it is how clients send our own answers back.
Those of earlier turns are marked as such, since a long conversation has more of them than a model takes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from app.core.errors import InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageInput, Turn, Warning
from app.core.settle import says_nothing
from app.wire.picture_text import Mark, Standing
from app.wire.references import EARLIER_MAX, References

Role = Literal["system", "user", "assistant"]

MESSAGES_MAX: Final = 2_000
PARTS_MAX: Final = 2_000
"""Content parts in all messages together (fault-cases B20)."""

_ROLES: Mapping[Json, Role] = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}
_IGNORED_ROLES: Final = ("tool", "function")
_PICTURE_LINK = re.compile(r"https?://[^\s?#]+\.(?:png|jpe?g|webp|gif)(?:[?#]\S*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said, without the pictures: those are in the References it was read with."""

    prompt: str
    history: tuple[Turn, ...]
    warnings: tuple[Warning, ...] = ()


def read_conversation(messages: Json, references: References) -> Conversation:
    """The prompt and the history of `messages`; their pictures are added to `references` in the order they came.

    Raises:
        InvalidRequest: they are no conversation, a part is neither text nor picture, or no user said anything.
    """
    if messages is None or messages == []:
        raise _no_prompt()
    if not isinstance(messages, list):
        raise _refusal("'messages' must be an array.", "messages")
    if len(messages) > MESSAGES_MAX:
        raise _refusal(f"At most {MESSAGES_MAX} messages are allowed.", "messages")
    reader = _Reader(references)
    end = _end(messages)
    turns = [
        reader.turn(message, f"messages[{index}]", earlier=index < end - 1)
        for index, message in enumerate(messages[:end])
    ]
    if not turns or turns[-1] is None or says_nothing(turns[-1].text):
        raise _no_prompt()
    late = tuple(
        Warning("ignored", f"messages[{index}]", "It comes after the last user message.")
        for index in range(len(turns), len(messages))
    )
    history = tuple(turn for turn in turns[:-1] if turn is not None and turn.text)
    return Conversation(turns[-1].text, history, (*reader.warnings, *late))


class _Reader:
    """Reads messages one after another, counting their parts."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._parts = 0
        self.warnings: list[Warning] = []

    def turn(self, message: Json, param: str, *, earlier: bool) -> Turn | None:
        """What one message says; None for roles that say nothing about pictures. `earlier`: it is not the prompt."""
        self._references.earlier = earlier
        if not isinstance(message, dict):
            raise _refusal(f"'{param}' must be an object.", param)
        said = message.get("role")
        if said in _IGNORED_ROLES:
            self.warnings.append(Warning("ignored", param, f"Messages of the role {said} do not apply to pictures."))
            return None
        role = _ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            raise _refusal(f"'{param}.role' must be one of {', '.join(map(str, _ROLES))}.", f"{param}.role")
        own: list[ImageInput] = []
        text = self._content(message.get("content"), role, f"{param}.content", own)
        if role == "assistant" and isinstance(message.get("images"), list):
            self._echoed(message["images"], f"{param}.images", own)
        for picture in own:
            self._references.add(picture)
        return Turn(role, text, param)

    def _content(self, content: Json, role: Role, param: str, own: list[ImageInput]) -> str:
        match content:
            case None if role == "assistant":
                return ""  # A turn that only called tools.
            case str():
                return self._text(content, role, param, own)
            case list():
                texts = [self._part(part, role, f"{param}[{index}]", own) for index, part in enumerate(content)]
                return "\n".join(text for text in texts if text)
            case _:
                raise _refusal(f"'{param}' must be a text or an array of parts.", param)

    def _part(self, part: Json, role: Role, param: str, own: list[ImageInput]) -> str:
        self._parts += 1
        if self._parts > PARTS_MAX:
            raise _refusal(f"At most {PARTS_MAX} content parts are allowed.", param)
        match part:
            case {"type": "text", "text": str(text)}:
                return self._text(text, role, f"{param}.text", own)
            case {"type": "image_url", "image_url": str() | dict() as picture}:
                own.append(self._references.read(picture, f"{param}.image_url"))
                return ""
            case {"type": "refusal"} if role == "assistant":
                return ""
            case _:
                raise _refusal(f"'{param}' must be a text part or an image_url part.", param)

    def _text(self, text: str, role: Role, param: str, own: list[ImageInput]) -> str:
        """The text without the pictures shown in it."""
        kept: list[str] = []
        position = 0
        for mark in self._references.shown_in(text, param):
            picture = self._references.read_shown(mark.source, param) if _is_meant(mark, role) else None
            if picture is not None:
                own.append(picture)
                kept.append(text[position : mark.start])
                position = mark.end
        return "".join([*kept, text[position:]]).strip() if kept else text

    def _echoed(self, images: list[Json], param: str, own: list[ImageInput]) -> None:
        """Pictures in OpenRouter's shape beside the content, as we answer them: usually the content's own once more,
        in the same order. In the style `data` they are there as bytes and, beside them, as links.
        """
        if len(images) > EARLIER_MAX:
            raise _refusal(f"At most {EARLIER_MAX} images are allowed in a message.", param)
        shown = tuple(own)
        known = {_identity(picture) for picture in own}
        for index, image in enumerate(images):
            place = f"{param}[{index}]"
            source = image.get("image_url") if isinstance(image, dict) else None
            picture = self._references.read(source, f"{place}.image_url")
            in_content = index < len(shown) and (shown[index].blob is None) != (picture.blob is None)
            if not in_content and _identity(picture) not in known:
                known.add(_identity(picture))
                own.append(picture)


def _end(messages: list[Json]) -> int:
    """How many messages there are up to the last user's, that one included."""
    for index in range(len(messages), 0, -1):
        if isinstance(message := messages[index - 1], dict) and message.get("role") == "user":
            return index
    return 0


def _is_meant(mark: Mark, role: Role) -> bool:
    """Whether a picture in a text is meant as a reference: it is shown, or is a bare link as our `url` style has it."""
    if mark.standing is Standing.SHOWN:
        return True
    return role == "assistant" and mark.standing is Standing.ALONE and _PICTURE_LINK.fullmatch(mark.source) is not None


def _identity(picture: ImageInput) -> str | None:
    return picture.url if picture.blob is None else picture.blob.sha256


def _no_prompt() -> InvalidRequest:
    return InvalidRequest(
        "'messages' must have a user message with text: it is the prompt.",
        code="missing_required_parameter",
        param="messages",
    )


def _refusal(message: str, param: str) -> InvalidRequest:
    return InvalidRequest(message, param=param)
