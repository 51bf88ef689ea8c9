"""What the OpenAI-shaped answers have in common: errors, an item of `data`, the image answer's account of itself."""

from collections.abc import Iterable
from typing import Final

from app.core.errors import GatewayError
from app.core.exchange import Json
from app.core.image import ImageAnswer, ImageUsage, ResponseFormat, ServedImage, Warning
from app.core.media import BlobText

RETRY_AFTER_S_MAX: Final = 60
RETRY_AFTER_S: Final = 10.0
RETRY_AFTER_STATUSES: Final = frozenset({429, 503})
"""With these the contract promises a Retry-After; where nobody knows a better time, it is `RETRY_AFTER_S`."""


def error_headers(error: GatewayError) -> dict[str, str]:
    """What a failed request's headers say: when to try again, whether to, and where a result may still appear."""
    headers: dict[str, str] = {}
    wait_s = error.retry_after_s
    if wait_s is None and error.status in RETRY_AFTER_STATUSES:
        wait_s = RETRY_AFTER_S
    if wait_s is not None:
        headers["retry-after"] = str(min(max(round(wait_s), 1), RETRY_AFTER_S_MAX))
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    if error.task_id is not None:
        headers["oneshape-task-id"] = error.task_id
    return headers


def error_body(error: GatewayError) -> Json:
    """The answer to a failed request; where a result may still appear is told beside the error."""
    body: dict[str, Json] = {"error": error.body()}
    if error.task_id is not None:
        body["oneshape"] = {"task_id": error.task_id}
    return body


def image_item(served: ServedImage, response_format: ResponseFormat) -> Json:
    """One picture of `data` or `results`: by URL, or in base64 when that was asked for."""
    picture: dict[str, Json] = {"url": served.url} if response_format == "url" else {"b64_json": base64_of(served)}
    return {
        **picture,
        "revised_prompt": served.image.revised_prompt,
        "mime_type": served.image.mime,
        "width": served.image.width,
        "height": served.image.height,
    }


def base64_of(served: ServedImage, *, as_data_uri: bool = False) -> BlobText:
    """A picture's bytes as base64 text, or as a data URI. Whoever asked for base64 has put the blob there."""
    assert served.blob is not None, "base64 was asked for and the bytes are not at hand"
    return BlobText(served.blob, prefix=f"data:{served.image.mime};base64," if as_data_uri else "")


def format_of(served: ServedImage) -> str:
    """A picture's format in OpenAI's words: `png`, `jpeg`, `webp`."""
    return served.image.mime.removeprefix("image/")


def size_of(served: ServedImage) -> str:
    """A picture's measured size in OpenAI's words: `2752x1536`."""
    return f"{served.image.width}x{served.image.height}"


def image_usage(usage: ImageUsage) -> Json:
    """Tokens in the Images API's words."""
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "input_tokens_details": {"text_tokens": usage.input_text_tokens, "image_tokens": usage.input_image_tokens},
    }


def oneshape(answer: ImageAnswer) -> Json:
    """What we say about an answered request, beside the surface's own keys."""
    return account(
        task_id=answer.task_id,
        units=answer.units,
        requested=answer.images_requested,
        delivered=len(answer.images),
        warnings=answer.warnings,
    )


def account(*, task_id: str, units: int, requested: int, delivered: int, warnings: Iterable[Warning]) -> Json:
    """The `oneshape` object: the task, what was charged, what was delivered, and what was not honoured as written."""
    return {
        "task_id": task_id,
        "units": units,
        "images_requested": requested,
        "images_delivered": delivered,
        "warnings": [{"code": item.code, "param": item.param, "message": item.message} for item in warnings],
    }
