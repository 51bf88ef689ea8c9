"""Receives a request's body: capped while it arrives, its pictures lifted to files, the rest read as strict JSON."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import Request

from app.core.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from app.core.exchange import Json
from app.core.media import Blobs
from app.gateway.services import Services
from app.media.spool import SpoolFolder
from app.wire.blobs import BlobTooLarge, DocumentTooLarge, Lifter, LiftError, TooManyBlobs
from app.wire.strict_json import loads

BLOBS_MAX: Final = 17
"""16 reference pictures and a mask (fault-cases section 5)."""


@asynccontextmanager
async def until_ordered(services: Services) -> AsyncIterator[SpoolFolder]:
    """A folder for a request's bytes, released when the request fails; else the order has taken it over."""
    folder = services.spool.folder()
    try:
        yield folder
    except BaseException:
        await folder.release()
        raise


def demand_json(request: Request) -> None:
    """Raises: UnsupportedMediaType unless the body is declared as plain, unencoded JSON."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared != "application/json" and not declared.endswith("+json"):
        raise UnsupportedMediaType("Send the body as Content-Type: application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")


async def read_json(
    request: Request, folder: SpoolFolder, body_bytes_max: int, blob_bytes_max: int
) -> tuple[dict[str, Json], Blobs]:
    """The body's JSON object, and the pictures that were inside it, spooled to `folder`.

    Raises: UnsupportedMediaType; RequestTooLarge, as soon as the cap is passed; InvalidRequest (invalid_json,
    invalid_image).
    """
    demand_json(request)
    _refuse_declared_size(request, body_bytes_max)
    lifter = Lifter(
        folder.open_sink,
        secrets.token_hex(8),
        max_document_bytes=body_bytes_max,
        max_blob_bytes=blob_bytes_max,
        max_blobs=BLOBS_MAX,
    )
    document, received = bytearray(), 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > body_bytes_max:
                raise _too_large(body_bytes_max)
            document += lifter.feed(chunk)
        document += lifter.close()
    except (BlobTooLarge, DocumentTooLarge) as error:
        raise _too_large(blob_bytes_max) from error
    except TooManyBlobs as error:
        raise InvalidRequest(f"At most {BLOBS_MAX - 1} reference images are allowed.", param="image") from error
    except LiftError as error:
        raise InvalidRequest("A base64 image in the body cannot be decoded.", code="invalid_image") from error
    return _object(loads(bytes(document))), lifter.blobs


async def read_small_json(request: Request, body_bytes_max: int) -> dict[str, Json]:
    """The JSON object of a body that carries no pictures, an empty body being an empty object."""
    _refuse_declared_size(request, body_bytes_max)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > body_bytes_max:
            raise _too_large(body_bytes_max)
    if not body:
        return {}
    demand_json(request)
    return _object(loads(bytes(body)))


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return value


def _refuse_declared_size(request: Request, body_bytes_max: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > body_bytes_max:
        raise _too_large(body_bytes_max)


def _too_large(allowed: int) -> RequestTooLarge:
    return RequestTooLarge(f"The request is too large; at most {allowed} bytes are allowed here.")
