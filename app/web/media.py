"""`GET /v1/media/{id}.{ext}`: stored pictures under signed, expiring links, from here or from their bucket."""

import re
from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.core.errors import Gone, NotFound
from app.gateway.outputs import media_name
from app.gateway.services import Services
from app.store import media
from app.store.media import Media

PRESIGNED_S: Final = 300
"""How long the bucket takes what we signed: for clocks that differ, and never longer than our own link is good for."""
_RANGE: Final = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.IGNORECASE)


def router(services: Services) -> APIRouter:
    """The route that serves pictures. It takes no key: the link itself is the permission."""
    routes = APIRouter(tags=["media"])

    @routes.api_route("/v1/media/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def serve(request: Request, name: str) -> Response:
        """The picture's bytes, or a range of them."""
        media_id, _, extension = name.partition(".")
        query = request.query_params
        services.signer.check(media_id, extension, query.get("exp"), query.get("sig"))
        found = await _found(services, media_id, extension)
        try:
            return await _answer(request, services, found)
        except NotFound:
            await _found(services, media_id, extension)  # it may have been erased at this very moment
            raise

    return routes


async def _found(services: Services, media_id: str, extension: str) -> Media:
    """What is on record of the picture. Raises: NotFound (media_not_found); Gone, when it is kept no longer."""
    found = await services.database.read(lambda tx: media.get(tx, media_id))
    if found is None or found.extension != extension:
        raise NotFound("There is no such picture.", code="media_not_found")
    if found.erased_at is not None:
        raise Gone("The picture has been erased; results are kept for a limited time.")
    return found


async def _answer(request: Request, services: Services, found: Media) -> Response:
    """Raises: NotFound, Overloaded: before the first header is sent, so that no answer begins that cannot go on."""
    headers = _headers(found)
    if _is_known(request.headers.get("if-none-match", ""), headers["etag"]):
        return Response(status_code=304, headers=headers)
    if request.method == "GET" and (elsewhere := await _elsewhere(request, services, found)) is not None:
        return elsewhere
    start, length, status = 0, found.size_bytes, 200
    if match := _asked_range(request, headers["etag"]):
        span = _span(match[1], match[2], found.size_bytes)
        if span is None:
            return Response(status_code=416, headers={**headers, "content-range": f"bytes */{found.size_bytes}"})
        start, length = span
        status = 206
        headers["content-range"] = f"bytes {start}-{start + length - 1}/{found.size_bytes}"
    headers["content-length"] = str(length)
    wanted = 1 if request.method == "HEAD" else length
    chunks = services.media.read(media_name(found.id, found.mime), start=start, length=wanted)
    first = await anext(chunks, b"")
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=found.mime)
    return StreamingResponse(_all(first, chunks), status_code=status, headers=headers, media_type=found.mime)


async def _elsewhere(request: Request, services: Services, found: Media) -> Response | None:
    """Sends a GET to the bucket (a presigned URL is for one method), where operators want that and the client, who may
    not reach it or follow, does not say `proxied=true`.
    """
    if request.query_params.get("proxied") == "true":
        return None
    left_s = int(request.query_params["exp"]) - services.clock.now()
    life_s = max(1, int(min(left_s, PRESIGNED_S)))
    url = await services.media.address(media_name(found.id, found.mime), seconds=life_s)
    if url is None:
        return None
    headers = {"location": url, "cache-control": f"private, max-age={life_s // 2}"}
    return Response(status_code=302, headers=headers)


def _headers(found: Media) -> dict[str, str]:
    """What is said of a picture, whatever is asked of it. Bytes behind an id never change."""
    return {
        "etag": f'"{found.sha256[:32]}"',
        "accept-ranges": "bytes",
        "cache-control": "private, max-age=3600, immutable",
        "content-disposition": f'inline; filename="{found.id}.{found.extension}"',
        "content-security-policy": "sandbox; default-src 'none'",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
    }


def _is_known(if_none_match: str, etag: str) -> bool:
    """Whether the client has these bytes: any is said, or this one, compared weakly (RFC 9110, 13.1.2)."""
    tags = [tag.strip() for tag in if_none_match.split(",")]
    return tags == ["*"] or any(tag.removeprefix("W/") == etag for tag in tags)


def _asked_range(request: Request, etag: str) -> re.Match[str] | None:
    """The range of a GET, unless it is only meant for other bytes (RFC 9110, 13.1.5 and 14.2).

    Several ranges are answered whole, which is allowed: cheap, whatever is asked (fault-cases C41).
    """
    if request.method != "GET" or request.headers.get("if-range", etag) != etag:
        return None
    return _RANGE.fullmatch(request.headers.get("range", ""))


async def _all(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in rest:
        yield chunk


def _span(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Start and length of a byte range of a file of `size` bytes; None when it lies outside (RFC 9110, 14.1.2)."""
    if not first and not last:
        return None
    if not first:
        length = min(int(last[:20]), size)
        return (size - length, length) if length else None
    start, end = int(first[:20]), min(int(last[:20]), size - 1) if last else size - 1
    return (start, end - start + 1) if start <= end and start < size else None
