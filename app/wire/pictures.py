"""Collects the pictures of one vendor reply, wherever they stand, each once. Dialects say what it means."""

import re
from collections.abc import Sequence
from typing import Final

from app.core.exchange import Failure, Json, VendorFailure
from app.core.image import InlineImage, RemoteImage
from app.core.media import PICTURES, Blobs, sniff
from app.wire.picture_text import Mark, Standing, marks
from app.wire.vendor_errors import DETAIL_CHARS
from app.wire.vendor_words import reads_as_refusal

Picture = RemoteImage | InlineImage

_BASE64_FIELDS: Final = ("b64_json", "image_b64_json", "image_base64", "base64", "data")
_FIELDS: Final = (
    *_BASE64_FIELDS,
    "url",
    "image_url",
    "uri",
    "image",
    "result_url",
    "inline_data",
    "inlineData",
    "source",
    "result",
)
"""Where an object that is a picture has it: bytes before a URL, since a URL may expire (wire-facts 2.5, 6.1)."""
_DEPTH_MAX: Final = 6
_EMPTY_LINK: Final = re.compile(r"!?\[[^\[\]]{0,200}\]\(\s*\)|\*{4}|`{2}")
_BLANK_LINES: Final = re.compile(r"\n[ \t\r]*+\n\s*+")
_DRAFT_FACTOR: Final = 2


class Gallery:
    """The pictures found so far, in order; the same URL or the same bytes count once (wire-facts section 5, row 16).

    `broken`: something stood where a picture should be, and could not be read.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._found: dict[str, Picture] = {}
        self.broken = False

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """In the order found, but drafts last."""
        return drafts_last(list(self._found.values()))

    def add(self, value: Json, *, revised_prompt: str | None = None) -> bool:
        """Adds what a field holds: a URL, a data URI, base64, an object that has one of these, or a list of them.

        Returns whether there was a picture in it, new or not.
        """
        return self._add(value, revised_prompt, _DEPTH_MAX)

    def add_text(self, text: str, *, links: bool = True) -> str:
        """Adds the pictures in a text and returns the text without them.

        A link is only taken for the picture when nothing better is there, and never without `links`.
        """
        found = marks(text, self._is_picture)
        least = max((mark.standing for mark in found), default=Standing.SHOWN)
        if self._found or not links:
            least = Standing.SHOWN
        cut = [mark for mark in found if (mark.standing >= least and self.add(mark.source)) or self._holds(mark)]
        return _without(text, cut)

    def missing(self, text: str, *, refused: bool, status: int) -> VendorFailure:
        """Why a reply has no picture, when it has none. `text` is what the vendor wrote in its place."""
        if refused or reads_as_refusal(text):
            return VendorFailure(Failure.MODERATED, text[:DETAIL_CHARS], status=status)
        if self.broken:
            return VendorFailure(Failure.UNREADABLE, "a picture that cannot be decoded", status=status)
        return VendorFailure(Failure.NO_IMAGE, text[:DETAIL_CHARS], status=status)

    def _add(self, value: Json, revised_prompt: str | None, depth: int) -> bool:
        match value:
            case str():
                return self._add_string(value.strip(), revised_prompt)
            case list() if depth > 0:
                return sum(self._add(item, revised_prompt, depth - 1) for item in value) > 0
            case dict() if depth > 0:
                return any(self._add(value[name], revised_prompt, depth - 1) for name in _FIELDS if value.get(name))
            case _:
                return False

    def _add_string(self, source: str, revised_prompt: str | None) -> bool:
        if not source:
            return False
        if source[:8].lower().startswith(("http://", "https://")):
            self._found.setdefault(source, RemoteImage(source, revised_prompt))
            return True
        blob = self._blobs.decode(source)
        if blob is None or not blob.size_bytes:
            self.broken = True
            return False
        self._found.setdefault(blob.sha256, InlineImage(blob, revised_prompt))
        return True

    def _holds(self, mark: Mark) -> bool:
        return mark.source in self._found

    def _is_picture(self, text: str) -> bool:
        blob = self._blobs.decode(text)
        return blob is not None and sniff(blob.head) in PICTURES


def drafts_last(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """Inline pictures of less than half the largest one's bytes go last, so that the first is the real one.

    Some models send a 1K draft before it, and relays strip the draft's mark (wire-facts 4.5 and section 5, row 18).
    """
    largest = max((picture.blob.size_bytes for picture in pictures if isinstance(picture, InlineImage)), default=0)
    return tuple(
        sorted(
            pictures,
            key=lambda picture: isinstance(picture, InlineImage) and picture.blob.size_bytes * _DRAFT_FACTOR < largest,
        )
    )


def _without(text: str, cut: Sequence[Mark]) -> str:
    pieces, position = [], 0
    for mark in cut:
        pieces.append(text[position : mark.start])
        position = mark.end
    pieces.append(text[position:])
    return _BLANK_LINES.sub("\n\n", _EMPTY_LINK.sub("", "".join(pieces))).strip()
