"""`GET /v1/media/{id}.{ext}`: stored pictures under signed, expiring links."""

import re
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.core.errors import Gone, NotFound
from app.gateway.outputs import media_name
from app.gateway.services import Services
from app.store import media
from app.store.media import Media

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")


def router(services: Services) -> APIRouter:
    """The route that serves pictures. It takes no key: the link itself is the permission."""
    routes = APIRouter(tags=["media"])

    @routes.api_route("/v1/media/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def serve(request: Request, name: str) -> Response:
        """The picture's bytes, or a range of them."""
        media_id, _, extension = name.partition(".")
        query = request.query_params
        services.signer.check(media_id, extension, query.get("exp"), query.get("sig"))
        found = await services.database.read(lambda tx: media.get(tx, media_id))
        if found is None or found.extension != extension:
            raise NotFound("There is no such picture.", code="media_not_found")
        if found.erased_at is not None:
            raise Gone("The picture has been erased; results are kept for a limited time.")
        return _answer(request, services, found)

    return routes


def _answer(request: Request, services: Services, found: Media) -> Response:
    etag = f'"{found.sha256[:32]}"'
    headers = {
        "etag": etag,
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=3600, immutable",
        "content-disposition": f'inline; filename="{found.id}.{found.extension}"',
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
    }
    if etag in (tag.strip() for tag in request.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=headers)
    start, length, status = 0, found.size_bytes, 200
    # Several ranges are answered whole, as RFC 9110 (14.2) allows: cheap, whatever is asked (fault-cases C41).
    if match := _RANGE.fullmatch(request.headers.get("range", "")):
        span = _span(match[1], match[2], found.size_bytes)
        if span is None:
            return Response(status_code=416, headers={**headers, "content-range": f"bytes */{found.size_bytes}"})
        start, length = span
        status = 206
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{found.size_bytes}"
    headers["content-length"] = str(length)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=found.mime)
    chunks = services.media.read(media_name(found.id, found.mime), start=start, length=length)
    return StreamingResponse(chunks, status_code=status, headers=headers, media_type=found.mime)


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Start and length of a byte range of a file of `size` bytes; None when it lies outside (RFC 9110, 14.1.2)."""
    if not first and not last:
        return None
    if not first:
        length = min(int(last[:20]), size)
        return (size - length, length) if length else None
    start, end = int(first[:20]), min(int(last[:20]), size - 1) if last else size - 1
    return (start, end - start + 1) if start <= end and start < size else None
