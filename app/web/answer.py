"""Sends documents that contain pictures: base64 is encoded from its file while it leaves."""

from collections.abc import Mapping

from starlette.responses import StreamingResponse

from app.core.exchange import Json
from app.wire.outgoing import encode, length
from app.wire.sending import in_turn, pieces


def document_response(document: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> StreamingResponse:
    """A JSON answer of known length; BlobText leaves are streamed."""
    segments = encode(document)
    return StreamingResponse(
        in_turn(pieces(segments)),
        status_code=status,
        headers={**(headers or {}), "content-length": str(length(segments))},
        media_type="application/json",
    )
