"""Reads the reference pictures of a request. Fetches nothing: an address elsewhere becomes a label in the drawing."""

import io
from urllib.parse import urlsplit

import pybase64
from PIL import Image, UnidentifiedImageError

from app.sandbox.files import FileStore
from app.sandbox.orders import Reference
from app.sandbox.refusals import Refusal


class ReferenceReader:
    """Turns what a client sent as pictures into References. `own_host` is the sandbox's own `host:port`."""

    def __init__(self, files: FileStore, own_host: str) -> None:
        self._files = files
        self._own_host = own_host

    def from_url(self, url: str, *, param: str) -> Reference:
        """A `data:` URI or an http(s) address. Raises Refusal (400) for anything else, such as raw base64."""
        if url.startswith("data:"):
            return self._from_data_uri(url, param=param)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Refusal(400, f"{param} must be an image URL or a data: URI.", param=param)
        if parts.netloc != self._own_host:
            return Reference(parts.hostname or parts.netloc, None)
        stored = self._files.get(parts.path.rpartition("/")[2])
        if stored is None:
            raise Refusal(400, "The reference image could not be downloaded.", param=param)
        return _decodable(stored.data, label="own file", param=param)

    def from_base64(self, text: str, *, param: str) -> Reference:
        """Standard or URL-safe base64 without a prefix (google-genai sends the latter). Raises Refusal (400)."""
        try:
            data = pybase64.b64decode(text.translate(str.maketrans("-_", "+/")), validate=True)
        except ValueError as error:
            raise Refusal(400, "Invalid base64 image data.", param=param) from error
        return _decodable(data, label="inline", param=param)

    def from_upload(self, data: bytes, *, param: str) -> Reference:
        """The bytes of an uploaded file. Raises Refusal (400) when they are no picture."""
        return _decodable(data, label="upload", param=param)

    def _from_data_uri(self, uri: str, *, param: str) -> Reference:
        head, comma, body = uri.partition(",")
        if not comma or not head.endswith(";base64"):
            raise Refusal(400, "Only base64 data: URIs are understood.", param=param)
        return self.from_base64(body, param=param)


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height of encoded picture bytes that are known to be decodable."""
    with Image.open(io.BytesIO(data)) as opened:
        return opened.size


def _decodable(data: bytes, *, label: str, param: str) -> Reference:
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF")) as opened:
            opened.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Refusal(400, "The reference is not a readable image.", param=param) from error
    return Reference(label, data)
