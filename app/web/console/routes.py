"""`/console`: the console's own files. They hold no data and no secret; what they show, the admin API answers."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import NotFound
from app.gateway.services import Services

PAGE: Final = "index.html"
VERSION_MARK: Final = b"{version}"
"""Stands in the page where its files' version belongs."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_TYPES: Final = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_PLAIN: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class File:
    """One file as it is sent."""

    content: bytes
    media_type: str
    etag: str


def router(services: Services) -> APIRouter:
    """The console's routes. Its files are read once, here."""
    routes = APIRouter(tags=["console"])
    assets = dict(_read(files(__package__) / "static"))
    version = _digest(*(name.encode() + file.content for name, file in sorted(assets.items())))
    page = _file(PAGE, assets.pop(PAGE).content.replace(VERSION_MARK, version.encode()))

    @routes.get("/console")
    async def console() -> Response:
        """The page. It is never kept, since it names the version of everything else."""
        return Response(page.content, headers={**_HEADERS, "cache-control": "no-store"}, media_type=page.media_type)

    @routes.get("/console/{asked}/{name:path}")
    async def asset(request: Request, asked: str, name: str) -> Response:
        """A file of this version, to be kept for good; a page of another version, from a replica, is served too."""
        file = assets.get(name)
        if file is None:
            raise NotFound("The console has no such file.")
        kept = "public, max-age=31536000, immutable" if asked == version else "no-cache"
        headers = {**_HEADERS, "cache-control": kept, "etag": file.etag}
        if file.etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)

    return routes


def _read(directory: Traversable, prefix: str = "") -> Iterator[tuple[str, File]]:
    for entry in directory.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            yield from _read(entry, f"{name}/")
        else:
            yield name, _file(name, entry.read_bytes())


def _file(name: str, content: bytes) -> File:
    return File(content, _TYPES.get(name.rpartition(".")[2], _PLAIN), f'"{_digest(content)}"')


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()[:16]
