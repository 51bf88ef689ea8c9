"""What would be sent to a vendor, to the letter, for operators to read: secrets masked, pictures told and not shown."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

import orjson

from app.core.catalog import Target
from app.core.chat import ChatRequest
from app.core.exchange import Call, Json, Multipart
from app.core.image import ImageInput, ImageRequest
from app.core.media import Blob, BlobText
from app.dialects import openai_chat
from app.gateway.inputs import told
from app.gateway.plan import Stop
from app.upstream.body import Body, body_of
from app.upstream.client import headers_of, url_of
from app.wire.sending import in_turn

MASK: Final = "***"
_UNFETCHED: Final = "not fetched: "
_INLINE: Final = re.compile(r"(data:[^,;]{0,100};base64,)([A-Za-z0-9+/_=-]{64,})")


@dataclass(frozen=True, slots=True)
class ExactRequest:
    """One HTTP request. `body` is the JSON document, or a form as its fields and files; None: there is none."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: Json


def image_request(stop: Stop, request: ImageRequest, count: int) -> ExactRequest:
    """The first request that asks this stop for `count` pictures. Nothing is fetched: a placeholder tells what."""
    shown = told(_with_placeholders(request), stop.takes, count)
    exchange = stop.dialect.start(shown, stop.target)
    try:
        call = next(exchange)
    finally:
        exchange.close()
    return _exact(call, stop.target, body_of(call), _shown_body(call))


def text_request(request: ChatRequest, target: Target) -> ExactRequest:
    """The request that passes a text request on to this target."""
    call, encoded = Call(openai_chat.PATH), openai_chat.encode(request, target)
    body = Body("application/json", len(encoded), lambda: in_turn((encoded,)))
    return _exact(call, target, body, _shown(orjson.loads(encoded)))


def _exact(call: Call, target: Target, body: Body | None, shown: Json) -> ExactRequest:
    query = f"?{urlencode(call.query)}" if call.query else ""
    return ExactRequest(call.method, url_of(call, target.vendor) + query, headers_of(call, MASK, body), shown)


def _shown_body(call: Call) -> Json:
    return _shown_form(call.form) if call.form is not None else _shown(call.json)


def _shown_form(form: Multipart) -> Json:
    files = [
        {"name": part.name, "filename": part.filename, "content_type": part.mime, "content": _bytes_of(part.blob)}
        for part in form.files
    ]
    return {"fields": [[name, _shown(value)] for name, value in form.fields], "files": files}


def _shown(value: Json) -> Json:
    match value:
        case dict():
            return {name: _shown(part) for name, part in value.items()}
        case list() | tuple():
            return [_shown(part) for part in value]
        case BlobText():
            return value.prefix + _bytes_of(value.blob, "base64 of ")
        case str():
            return _INLINE.sub(lambda match: f"{match[1]}<base64 of {len(match[2]) * 3 // 4} bytes>", value)
        case _:
            return value


def _bytes_of(blob: Blob, encoding: str = "") -> str:
    if blob.sha256.startswith(_UNFETCHED):
        return f"<{encoding}the picture at {blob.sha256.removeprefix(_UNFETCHED)}>"
    return f"<{encoding}{blob.size_bytes} bytes>"


def _with_placeholders(request: ImageRequest) -> ImageRequest:
    """The request with bytes for every picture that is named by URL only, in case a vendor takes nothing else."""
    return replace(
        request,
        inputs=tuple(_with_placeholder(picture) for picture in request.inputs),
        mask=_with_placeholder(request.mask) if request.mask else None,
    )


def _with_placeholder(picture: ImageInput) -> ImageInput:
    if picture.blob is not None:
        return picture
    blob = Blob(0, f"{_UNFETCHED}{picture.url}", b"", data=b"")
    return replace(picture, blob=blob)
