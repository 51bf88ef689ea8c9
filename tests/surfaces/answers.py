"""Finished work for the surfaces to render, and a reader of what they rendered. No fixtures."""

import base64
from dataclasses import replace
from typing import Any

import orjson

from app.core.image import DeliveredImage, ImageAnswer, ImageUsage, ResponseFormat, ServedImage
from app.core.media import Blob
from app.wire.outgoing import encode

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(100))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(50))
PNG_BASE64 = base64.b64encode(PNG).decode()
JPEG_BASE64 = base64.b64encode(JPEG).decode()


def picture(name: str = "med_x", data: bytes = PNG, mime: str = "image/png") -> ServedImage:
    """A stored picture of 2752x1536 with its bytes at hand."""
    extension = {"image/png": "png", "image/jpeg": "jpg"}[mime]
    image = DeliveredImage(name, mime, 2752, 1536, len(data), Blob.of(data).sha256)
    return ServedImage(image, f"https://gw.example/v1/media/{name}.{extension}?exp=1&sig=s", Blob.of(data))


def answer(*, response_format: ResponseFormat = "url", images: int = 1, text: str = "") -> ImageAnswer:
    """The contract's example answer, with as many pictures as wanted: the second is a JPEG."""
    served = (picture(), picture("med_y", JPEG, "image/jpeg"))[:images]
    return ImageAnswer(
        task_id="task_1",
        model="nano-banana-pro-2k",
        created_at=1790000000.7,
        images=served,
        images_requested=images,
        units=134000 * images,
        response_format=response_format,
        text=text,
        usage=ImageUsage(24, 1120, 20, 4),
    )


def without_bytes(finished: ImageAnswer) -> ImageAnswer:
    """The same answer as the gateway gives it when only URLs were asked for."""
    return replace(finished, images=tuple(replace(served, blob=None) for served in finished.images))


def sent(document: Any) -> Any:
    """What a client reads of a document: encoded, its pictures put in, and parsed."""
    parts = [part if isinstance(part, bytes) else base64.b64encode(part.data or b"") for part in encode(document)]
    return orjson.loads(b"".join(parts))
