"""Receives a request's body: capped while it arrives, its pictures lifted to files, the rest read as strict JSON."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from app.core.errors import InvalidRequest, RequestTooLarge, UnsupportedMediaType
from app.core.exchange import Json
from app.core.media import Blobs
from app.media.spool import SpoolFolder
from app.wire.blobs import BlobTooLarge, DocumentTooLarge, Lifter, LiftError, TooManyBlobs
from app.wire.multipart import Form, FormLimits, FormReader, boundary_of
from app.wire.references import EARLIER_MAX, REFERENCES_MAX
from app.wire.strict_json import loads

BLOBS_MAX: Final = REFERENCES_MAX + 1
"""16 reference pictures and a mask (fault-cases section 5)."""
CONVERSATION_BLOBS_MAX: Final = REFERENCES_MAX + EARLIER_MAX
"""A conversation brings the pictures of its earlier turns along."""
DOCUMENT_BYTES_MAX: Final = 4 * 2**20
"""What may stay of a body once its pictures are lifted. It is in memory: sixteen clients of endless words took 511 MB
when nothing but the body's own cap ended them, and a prompt has 32,000 characters.
"""
APART_BYTES: Final = 2**20
"""A longer document is read beside the event loop: at 20 MiB that takes up to a tenth of a second (fault-cases B18)."""


@dataclass(frozen=True, slots=True)
class JsonBody:
    """A body that was received: its object, the pictures that were inside it, and the folder where these are spooled,
    which is its reader's to release.
    """

    document: dict[str, Json]
    blobs: Blobs
    folder: SpoolFolder


class JsonReader:
    """Takes a JSON body in piece by piece. Its pictures go to `folder` meanwhile, and only the small rest is parsed."""

    def __init__(
        self, folder: SpoolFolder, *, body_bytes_max: int, blob_bytes_max: int, blobs_max: int = BLOBS_MAX
    ) -> None:
        self._folder = folder
        self._blob_bytes_max = blob_bytes_max
        self._blobs_max = blobs_max
        self._rest = bytearray()
        self._lifter = Lifter(
            folder.open_sink,
            secrets.token_hex(8),
            max_document_bytes=min(body_bytes_max, DOCUMENT_BYTES_MAX),
            max_blob_bytes=blob_bytes_max,
            max_blobs=blobs_max,
        )

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes. Raises: RequestTooLarge, InvalidRequest (invalid_image), Overloaded."""
        with self._as_clients_fault():
            self._rest += self._lifter.feed(chunk)

    async def close(self) -> JsonBody:
        """The whole body. Raises: as `feed`, and InvalidRequest (invalid_json)."""
        with self._as_clients_fault():
            self._rest += self._lifter.close()
        return JsonBody(await read_strictly(bytes(self._rest)), self._lifter.blobs, self._folder)

    def abort(self) -> None:
        """Gives up a picture that is not whole; safe to repeat."""
        self._lifter.abort()

    @contextmanager
    def _as_clients_fault(self) -> Iterator[None]:
        try:
            yield
        except BlobTooLarge as error:
            raise too_large(self._blob_bytes_max) from error
        except DocumentTooLarge as error:
            raise RequestTooLarge(
                f"The request is too large; at most {DOCUMENT_BYTES_MAX} bytes of it may be anything but images."
            ) from error
        except TooManyBlobs as error:
            raise InvalidRequest(f"At most {self._blobs_max} images are allowed in a body.", param="image") from error
        except LiftError as error:
            raise InvalidRequest("A base64 image in the body cannot be decoded.", code="invalid_image") from error


@asynccontextmanager
async def until_ordered(folder: SpoolFolder) -> AsyncIterator[SpoolFolder]:
    """The folder of a request's bytes, released when the request fails; else the order has taken it over."""
    try:
        yield folder
    except BaseException:
        await folder.release()
        raise


async def read_json(
    request: Request, folder: SpoolFolder, body_bytes_max: int, blob_bytes_max: int, blobs_max: int = BLOBS_MAX
) -> tuple[dict[str, Json], Blobs]:
    """The body's JSON object, and the pictures that were inside it, spooled to `folder`.

    Raises: UnsupportedMediaType; RequestTooLarge, as soon as the cap is passed; InvalidRequest (invalid_json,
    invalid_image).
    """
    demand_json(request)
    reader = JsonReader(folder, body_bytes_max=body_bytes_max, blob_bytes_max=blob_bytes_max, blobs_max=blobs_max)
    try:
        async for chunk in _received(request, body_bytes_max):
            reader.feed(chunk)
        body = await reader.close()
    finally:
        reader.abort()
    return body.document, body.blobs


async def read_strictly(data: bytes) -> dict[str, Json]:
    """The JSON object in the bytes. Raises: InvalidRequest (invalid_json)."""
    return json_object(loads(data) if len(data) <= APART_BYTES else await asyncio.to_thread(loads, data))


async def read_form(request: Request, folder: SpoolFolder, body_bytes_max: int, file_bytes_max: int) -> Form:
    """A multipart body, its files spooled to `folder`.

    Raises: UnsupportedMediaType, RequestTooLarge, InvalidRequest.
    """
    demand_unencoded(request)
    boundary = boundary_of(request.headers.get("content-type", ""))
    limits = FormLimits(files=BLOBS_MAX, file_bytes=file_bytes_max)
    reader = FormReader(boundary, folder.open_sink, secrets.token_hex(8), limits)
    try:
        async for chunk in _received(request, body_bytes_max):
            reader.feed(chunk)
        return reader.close()
    finally:
        reader.abort()


async def read_small_json(request: Request, body_bytes_max: int) -> dict[str, Json]:
    """The JSON object of a body that carries no pictures, an empty body being an empty object."""
    body = await read_small(request, body_bytes_max)
    if not body:
        return {}
    demand_json(request)
    return json_object(loads(body))


async def read_small(request: Request, body_bytes_max: int) -> bytes:
    """A body as it is. Raises: RequestTooLarge, as soon as the cap is passed."""
    body = bytearray()
    async for chunk in _received(request, body_bytes_max):
        body += chunk
    return bytes(body)


def demand_json(request: Request) -> None:
    """Raises: UnsupportedMediaType unless the body is declared as plain, unencoded JSON."""
    demand_unencoded(request)
    if not is_json(request):
        raise UnsupportedMediaType("Send the body as Content-Type: application/json.")


def demand_unencoded(request: Request) -> None:
    """Raises: UnsupportedMediaType for a compressed body: it is never unpacked (fault-cases B15)."""
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without a Content-Encoding.")


def is_json(request: Request) -> bool:
    """Whether the body is declared as JSON."""
    declared = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return declared == "application/json" or declared.endswith("+json")


async def _received(request: Request, body_bytes_max: int) -> AsyncIterator[bytes]:
    """The body's chunks as they arrive, up to a cap that is checked before the first one too."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > body_bytes_max:
        raise too_large(body_bytes_max)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > body_bytes_max:
            raise too_large(body_bytes_max)
        yield chunk


def json_object(value: Json) -> dict[str, Json]:
    """The value, which must be an object. Raises: InvalidRequest (invalid_json)."""
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.", code="invalid_json")
    return value


def too_large(allowed: int) -> RequestTooLarge:
    """The error for a body above the cap, in bytes."""
    return RequestTooLarge(f"The request is too large; at most {allowed} bytes are allowed here.")
