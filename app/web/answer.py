"""Sends documents that contain pictures: base64 is encoded from its file while it leaves."""

from collections.abc import Mapping

from starlette.responses import Response, StreamingResponse

from app.core.exchange import Json
from app.core.image import ImageAnswer
from app.wire.outgoing import encode, length
from app.wire.sending import in_turn, pieces


def document_response(document: Json, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer of known length; BlobText leaves are streamed."""
    segments = encode(document)
    if len(segments) == 1 and isinstance(segments[0], bytes):  # a stream's machinery is for pictures
        return Response(segments[0], status, headers, media_type="application/json")
    return StreamingResponse(
        in_turn(pieces(segments)),
        status_code=status,
        headers={**(headers or {}), "content-length": str(length(segments))},
        media_type="application/json",
    )


def answer_headers(answer: ImageAnswer) -> dict[str, str]:
    """The headers of a billed answer with pictures."""
    return {"oneshape-task-id": answer.task_id, "oneshape-units": str(answer.units)}
