"""A request as it is kept on its task: all that was asked, pictures by what they are and never by their bytes.

What is kept is enough to go on with the task in another process.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from app.core.image import ImageInput, ImageRequest, Turn, Warning
from app.core.media import Blob
from app.core.shape import parse_size

_PLAIN = (
    "model",
    "prompt",
    "n",
    "aspect_ratio",
    "resolution",
    "output_format",
    "output_compression",
    "response_format",
    "task_type",
    "stream",
    "user",
)


def to_record(request: ImageRequest, *, stored: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The request as JSON. What was not said is left out. `stored`: names in the media store, by sha256."""
    names = stored or {}
    record: dict[str, Any] = {
        **{name: getattr(request, name) for name in _PLAIN},
        "history": [{"role": turn.role, "text": turn.text} for turn in request.history],
        "inputs": [_picture(picture, names) for picture in request.inputs],
        "mask": _picture(request.mask, names) if request.mask else None,
        "size": str(request.size) if request.size else None,
        "options": dict(request.options),
        "warnings": [asdict(warning) for warning in request.warnings],
    }
    return {name: value for name, value in record.items() if value is not False and value not in (None, [], {})}


def from_record(record: Mapping[str, Any], blobs: Mapping[str, Blob]) -> ImageRequest:
    """The request that `to_record` kept, already fitted to its model. `blobs`: stored pictures by their names."""
    mask = record.get("mask")
    return ImageRequest(
        **{name: record[name] for name in _PLAIN if name in record},
        history=tuple(Turn(**turn) for turn in record.get("history", ())),
        inputs=tuple(_input(picture, blobs) for picture in record.get("inputs", ())),
        size=parse_size(record["size"]) if "size" in record else None,
        mask=None if mask is None else _input(mask, blobs),
        options=record.get("options", {}),
        warnings=warnings_of(record.get("warnings", ())),
    )


def stored_names(record: Mapping[str, Any]) -> dict[str, str]:
    """The names under which the record's pictures are in the media store, each with its sha256."""
    pictures = [*record.get("inputs", ()), record.get("mask") or {}]
    return {picture["stored"]: picture["sha256"] for picture in pictures if "stored" in picture}


def warnings_of(rows: Any) -> tuple[Warning, ...]:
    """Warnings as they were recorded."""
    return tuple(Warning(**row) for row in rows)


def _picture(picture: ImageInput, names: Mapping[str, str]) -> dict[str, Any]:
    record: dict[str, Any] = {"param": picture.param}
    if picture.url is not None:
        record["url"] = picture.url
    if picture.blob is not None:
        record |= {"mime": picture.mime, "size_bytes": picture.blob.size_bytes, "sha256": picture.blob.sha256}
        if (name := names.get(picture.blob.sha256)) is not None:
            record["stored"] = name
    return record


def _input(record: Mapping[str, Any], blobs: Mapping[str, Blob]) -> ImageInput:
    blob = blobs.get(record.get("stored", ""))
    return ImageInput(url=record.get("url"), blob=blob, mime=record.get("mime"), param=record["param"])
