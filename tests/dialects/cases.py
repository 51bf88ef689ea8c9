"""A golden case: what a client wants, what a vendor must be sent, what it answered, what that means."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.core.catalog import Target, Vendor
from app.core.exchange import Call, Exchange, Reply, VendorFailure
from app.core.image import ImageInput, ImageRequest, ImageResult, Pending, Turn
from app.core.media import Blob, Blobs, BlobText
from app.core.shape import Size
from app.dialects import DIALECTS

Object = Mapping[str, Any]
FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True, slots=True)
class Case:
    """One file. `poll` is the handle to ask for; without it the case starts an exchange."""

    dialect: str
    request: ImageRequest
    target: Target
    poll: str | None
    call: Object | None
    reply: Reply | None
    expect: Object | None


def read_case(path: Path) -> Case:
    """The case in a file; keys that nobody reads are an error."""
    said = orjson.loads(path.read_bytes())
    assert said.keys() <= {"source", "request", "target", "poll", "call", "reply", "expect"}
    assert said["source"]
    dialect = path.parent.name
    return Case(
        dialect=dialect,
        request=_request(said.get("request", {"prompt": "a fox"})),
        target=target_of(dialect, **said.get("target", {})),
        poll=said.get("poll"),
        call=said.get("call"),
        reply=_reply(said["reply"]) if "reply" in said else None,
        expect=said.get("expect"),
    )


def target_of(dialect: str, *, model: str = "m", resolution: Any = None, options: Object | None = None) -> Target:
    """A target at a vendor with these options, each of which the dialect must know."""
    options = options or {}
    assert options.keys() <= DIALECTS[dialect].options.keys()
    vendor = Vendor("v", dialect, "https://v.example/v1", ("k",), options=options)  # type: ignore[arg-type]  # a folder's name
    return Target(vendor, model, resolution)


def shown_call(call: Call) -> Object:
    """A call as cases write it: pictures as the text that will be sent."""
    shown: dict[str, Any] = {"path": call.path, "method": call.method, "auth": call.auth, "billable": call.billable}
    if call.json is not None:
        shown["json"] = _shown(call.json)
    if call.form is not None:
        files = [[part.name, part.filename, part.mime, base64_of(part.blob)] for part in call.form.files]
        shown["form"] = {"fields": [list(pair) for pair in call.form.fields], "files": files}
    return shown


def outcome_of(exchange: Exchange[ImageResult | Pending], reply: Reply) -> ImageResult | Pending | VendorFailure | Call:
    """What an exchange makes of a reply; another call when it is not done."""
    try:
        return exchange.send(reply)
    except StopIteration as stop:
        outcome: ImageResult | Pending = stop.value
        return outcome
    except VendorFailure as failure:
        return failure


def base64_of(blob: Blob) -> str:
    """A blob's bytes as cases write them."""
    assert blob.data is not None
    return base64.b64encode(blob.data).decode()


def _request(said: Object) -> ImageRequest:
    fields = {"model": "public-model", **said}
    if "size" in fields:
        fields["size"] = Size(*fields["size"])
    fields["history"] = tuple(Turn(role, text) for role, text in fields.get("history", ()))
    fields["inputs"] = tuple(_input(one) for one in fields.get("inputs", ()))
    if "mask" in fields:
        fields["mask"] = _input(fields["mask"])
    return ImageRequest(**fields)


def _input(said: Object) -> ImageInput:
    if "url" in said:
        return ImageInput(url=said["url"], mime=said.get("mime"))
    return ImageInput(blob=Blob.of(base64.b64decode(said["base64"])), mime=said.get("mime"))


def _reply(said: Object) -> Reply:
    lifted = {name: Blob.of(base64.b64decode(text)) for name, text in said.get("lifted", {}).items()}
    body = said.get("events", said.get("document"))
    return Reply(
        status=said["status"],
        document=said.get("document"),
        is_json="document" in said,
        events=tuple(said["events"]) if "events" in said else None,
        text=said.get("text", orjson.dumps(body).decode()),
        retry_after_s=said.get("retry_after_s"),
        blobs=Blobs(lifted),
    )


def _shown(value: Any) -> Any:
    match value:
        case BlobText():
            return value.prefix + base64_of(value.blob)
        case dict():
            return {key: _shown(item) for key, item in value.items()}
        case list():
            return [_shown(item) for item in value]
        case _:
            return value
