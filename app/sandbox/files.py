"""Holds the pictures that vendors answer as URLs, in memory, the oldest forgotten first, and serves them."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from app.sandbox.orders import Picture

LinkTrouble = Literal["missing", "forbidden", "redirect_inside", "html", "missing_first", "changing", "expired"]
"""What goes wrong when a result is fetched."""


@dataclass(slots=True)
class StoredFile:
    """A served file. With `token`, only a request with the same `?token=` gets it. `fetches` counts requests so far."""

    data: bytes
    mime_type: str
    token: str | None = None
    trouble: LinkTrouble | None = None
    fetches: int = 0


class FileStore:
    """Files by name, at most `max_bytes` of them beside the `pinned` ones, which stay."""

    def __init__(self, max_bytes: int, pinned: Mapping[str, StoredFile]) -> None:
        self._max_bytes = max_bytes
        self._pinned = pinned
        self._held_bytes = 0
        self._count = 0
        self._files: OrderedDict[str, StoredFile] = OrderedDict()

    def get(self, name: str) -> StoredFile | None:
        """The file, or None when it never was or was forgotten."""
        return self._files.get(name) or self._pinned.get(name)

    def publish(self, picture: Picture, *, token: str | None = None, trouble: LinkTrouble | None = None) -> str:
        """Stores a picture under a new name, and returns `name` or `name?token=…`, to be put behind `/files/`."""
        self._count += 1
        extension = picture.mime_type.rpartition("/")[2].partition("+")[0]
        name = f"{self._count:08x}-{hash_of(picture.data)}.{extension}"
        self._files[name] = StoredFile(picture.data, picture.mime_type, token, trouble)
        self._held_bytes += len(picture.data)
        while self._held_bytes > self._max_bytes and len(self._files) > 1:
            _, forgotten = self._files.popitem(last=False)
            self._held_bytes -= len(forgotten.data)
        return f"{name}?token={token}" if token else name

    async def serve(self, request: Request) -> Response:
        """`GET /files/{name}` and `GET /samples/{name}`."""
        name: str = request.path_params["name"]
        file = self.get(name)
        if file is None:
            return Response("no such file", 404, media_type="text/plain")
        file.fetches += 1
        if file.token is not None and request.query_params.get("token") != file.token:
            return Response("bad token", 403, media_type="text/plain")
        return _troubled(file) or Response(file.data, media_type=file.mime_type)


def _troubled(file: StoredFile) -> Response | None:
    match file.trouble:
        case None:
            return None
        case "missing":
            return Response("no such file", 404, media_type="text/plain")
        case "missing_first":
            return Response("not there yet", 404, media_type="text/plain") if file.fetches == 1 else None
        case "forbidden" | "expired":
            return Response("request has expired", 403, media_type="text/plain")
        case "redirect_inside":
            return RedirectResponse("http://169.254.169.254/latest/meta-data/", 302)
        case "html":
            return Response("<!doctype html><title>sign in</title>", media_type="text/html")
        case "changing":
            # Bytes after the end of a picture are ignored by decoders and change its digest.
            return Response(file.data + file.fetches.to_bytes(4, "big"), media_type=file.mime_type)


def hash_of(data: bytes) -> str:
    """Sixteen hex digits that tell two pictures apart in a file name."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()
