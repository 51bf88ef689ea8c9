"""A request as it is kept on its task: all that was asked, pictures by what they are and never by their bytes."""

from typing import Any

from app.core.image import ImageInput, ImageRequest


def to_record(request: ImageRequest) -> dict[str, Any]:
    """The request as JSON. What was not said is left out."""
    record: dict[str, Any] = {
        "model": request.model,
        "prompt": request.prompt,
        "history": [{"role": turn.role, "text": turn.text} for turn in request.history],
        "inputs": [_picture(picture) for picture in request.inputs],
        "mask": _picture(request.mask) if request.mask else None,
        "n": request.n,
        "aspect_ratio": request.aspect_ratio,
        "resolution": request.resolution,
        "size": str(request.size) if request.size else None,
        "output_format": request.output_format,
        "output_compression": request.output_compression,
        "response_format": request.response_format,
        "task_type": request.task_type,
        "options": dict(request.options),
        "user": request.user,
    }
    return {name: value for name, value in record.items() if value not in (None, [], {})}


def _picture(picture: ImageInput) -> dict[str, Any]:
    record: dict[str, Any] = {"param": picture.param}
    if picture.url is not None:
        record["url"] = picture.url
    if picture.blob is not None:
        record |= {"mime": picture.mime, "size_bytes": picture.blob.size_bytes, "sha256": picture.blob.sha256}
    return record
