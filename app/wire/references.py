"""Reference pictures as clients hand them over: URLs, data URIs, base64 and uploads, in every accepted JSON form.

Nothing is fetched here; whether a URL may be fetched is for `media` to say.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from app.core.errors import InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageInput, Warning
from app.core.media import PICTURES, Blob, Blobs, sniff
from app.wire.picture_text import Mark, marks
from app.wire.said import KEY_CHARS_MAX, demand_few_keys, unknown_parameter

REFERENCES_MAX: Final = 16
"""References per request, whatever the model takes (fault-cases section 5)."""
EARLIER_MAX: Final = 256
"""Pictures in the turns before the prompt, of which the newest are used."""
URL_CHARS_MAX: Final = 8192
TEXT_CHARS_MAX: Final = 400_000
"""All texts of a request in which pictures are looked for, which takes a tenth of a microsecond a character (B18)."""

_HTTP = re.compile(r"https?://[^\s/?#\\][^\s\\\x00-\x1f]*", re.IGNORECASE)
_SOURCES = ("url", "image_url", "b64_json", "file_id")
_DESCRIPTIONS = frozenset({"type", "detail", "mime_type", "media_type"})


class References:
    """The reference pictures of one request, in the order they are read, and warnings about what was not used."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.earlier = False
        """Whether what is added now was shown in a turn before the prompt."""
        self._inputs: list[ImageInput] = []
        self._text_chars = 0
        self.warnings: list[Warning] = []

    @property
    def inputs(self) -> tuple[ImageInput, ...]:
        """What was added so far."""
        return tuple(self._inputs)

    def add(self, picture: ImageInput) -> None:
        """Takes one more. Raises: InvalidRequest at the seventeenth (fault-cases B36); earlier turns have more room."""
        room, where = (EARLIER_MAX, "in earlier turns") if self.earlier else (REFERENCES_MAX, "per request")
        if sum(one.earlier == self.earlier for one in self._inputs) >= room:
            raise InvalidRequest(f"At most {room} reference images are allowed {where}.", param=picture.param)
        self._inputs.append(replace(picture, earlier=self.earlier))

    def add_from(self, body: Mapping[str, Json]) -> None:
        """Takes what is under `image` or `images`: one picture or an array of them; null and [] are nothing said.

        Raises:
            InvalidRequest: both are said, or a picture is none that `read` understands.
        """
        said = [name for name in ("image", "images") if body.get(name) not in (None, [])]
        if len(said) == 2:
            raise InvalidRequest(
                "'image' and 'images' must not be given together.", code="conflicting_parameters", param="images"
            )
        for name in said:
            value = body[name]
            if isinstance(value, list):
                for index, item in enumerate(value):
                    self.add(self.read(item, f"{name}[{index}]"))
            else:
                self.add(self.read(value, name))

    def shown_in(self, text: str, param: str) -> list[Mark]:
        """Where pictures stand in a text: in Markdown, as data URIs, as base64, or linked.

        Raises:
            InvalidRequest: it is too long, together with those before it.
        """
        self._text_chars += len(text)
        if self._text_chars > TEXT_CHARS_MAX:
            raise InvalidRequest(f"At most {TEXT_CHARS_MAX} characters of text are allowed in all.", param=param)
        return marks(text, self._is_picture)

    def plain(self, text: str, param: str) -> str:
        """The text, which holds no picture's bytes: they would reach a vendor as gibberish.

        Raises:
            InvalidRequest: it does hold some.
        """
        if any(_is_data(mark.source) or self._is_picture(mark.source) for mark in self.shown_in(text, param)):
            raise InvalidRequest(f"'{param}' must be text; give pictures as reference images.", param=param)
        return text

    def read_shown(self, source: str, param: str) -> ImageInput | None:
        """The picture at one of those places; None when it is none that could be had, such as a relative link.

        Raises:
            InvalidRequest: a data URI holds no picture.
        """
        if _is_data(source) or _HTTP.match(source):
            return picture_at(source, param, self.blobs)
        return picture_in_base64(source, param, self.blobs) if self._is_picture(source) else None

    def read(self, value: Json, param: str) -> ImageInput:
        """One picture: an http(s) URL, a data URI, or an object with one of `url`, `image_url` and `b64_json`.

        Raises:
            InvalidRequest: it is something else; `param` is the exact place.
        """
        match value:
            case str():
                return picture_at(value, param, self.blobs)
            case dict():
                return self._read_object(value, param)
            case _:
                raise InvalidRequest(
                    f"'{param}' must be an http(s) URL, a data: URI or an object.",
                    code="invalid_image_url",
                    param=param,
                )

    def _is_picture(self, text: str) -> bool:
        blob = self.blobs.decode(text)
        return blob is not None and sniff(blob.head) in PICTURES

    def _read_object(self, value: Mapping[str, Json], param: str) -> ImageInput:
        said = [name for name in _SOURCES if value.get(name) is not None]
        if not said:
            raise InvalidRequest(
                f"'{param}' must have one of url, image_url and b64_json.", code="invalid_image_url", param=param
            )
        if len(said) > 1:
            raise InvalidRequest(
                f"'{param}' has both '{said[0]}' and '{said[1]}'; one is allowed.",
                code="conflicting_parameters",
                param=param,
            )
        self._warn_of_unknown(value, param)
        source, place = value[said[0]], f"{param}.{said[0]}"
        match said[0], source:
            case "file_id", _:
                raise InvalidRequest(
                    f"'{place}' is not supported; give the picture as a URL, a data: URI or b64_json.",
                    code="unsupported_parameter",
                    param=place,
                )
            case "b64_json", _:
                return picture_in_base64(source, place, self.blobs)
            case "image_url", {"url": str(url)}:
                self._warn_of_unknown(source, place)
                return picture_at(url, f"{place}.url", self.blobs)
            case _, str():
                return picture_at(source, place, self.blobs)
            case _:
                raise InvalidRequest(f"'{place}' must be a text.", code="invalid_image_url", param=place)

    def _warn_of_unknown(self, value: Mapping[str, Json], param: str) -> None:
        demand_few_keys(value, param)
        for key in value:
            if key not in _DESCRIPTIONS and key not in _SOURCES:
                self.warnings.append(unknown_parameter(f"{param}.{key[:KEY_CHARS_MAX]}"))


def picture_at(text: str, param: str, blobs: Blobs) -> ImageInput:
    """A picture by its http(s) URL, or out of a data URI.

    Raises:
        InvalidRequest: it is neither, or what the data URI holds is no picture.
    """
    address = text.strip()
    if _is_data(address):
        return picture_in_base64(address, param, blobs)
    if len(address) > URL_CHARS_MAX or _HTTP.fullmatch(address) is None:
        raise InvalidRequest(
            f"'{param}' must be an http(s) URL or a data: URI with base64.", code="invalid_image_url", param=param
        )
    return ImageInput(url=address, param=param)


def picture_in_base64(text: Json, param: str, blobs: Blobs) -> ImageInput:
    """A picture out of base64 in either alphabet, with or without a `data:` prefix.

    Raises:
        InvalidRequest: it is not base64, or not a picture that we read.
    """
    blob = blobs.decode(text) if isinstance(text, str) else None
    if blob is None:
        raise InvalidRequest(f"'{param}' is not valid base64.", code="invalid_image", param=param)
    return picture_of(blob, param)


def picture_of(blob: Blob, param: str) -> ImageInput:
    """A picture of bytes at hand, its type told by its signature, whatever was declared.

    Raises:
        InvalidRequest: the bytes are no picture that we read.
    """
    mime = sniff(blob.head)
    if mime not in PICTURES:
        raise InvalidRequest(
            f"'{param}' is {mime or 'not a picture'}. Allowed: png, jpeg, webp and gif.",
            code="invalid_image",
            param=param,
        )
    return ImageInput(blob=blob, mime=mime, param=param)


def _is_data(text: str) -> bool:
    return text[:5].lower() == "data:"
