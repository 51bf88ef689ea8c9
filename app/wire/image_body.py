"""An order for pictures in the body of OpenAI's Images API, which the task API shares: prompt, image, mask, fields."""

from collections.abc import Mapping
from dataclasses import replace

from app.core.errors import InvalidRequest
from app.core.exchange import Json
from app.core.image import ImageRequest
from app.wire.fields import read_image_fields
from app.wire.references import References

_ELSEWHERE = frozenset({"prompt", "image", "images", "mask"})


def read_image_body(
    body: Mapping[str, Json],
    references: References,
    *,
    elsewhere: frozenset[str] = frozenset(),
    as_text: bool = False,
    shows_partials: bool = False,
) -> ImageRequest:
    """The order; what is said beside `references` is as for `read_image_fields`. These may hold uploads already.

    Raises:
        InvalidRequest: a field is wrong, fields contradict each other, or a picture is none.
    """
    request = read_image_fields(body, elsewhere=_ELSEWHERE | elsewhere, as_text=as_text, shows_partials=shows_partials)
    references.add_from(body)
    return replace(
        request,
        prompt=_prompt(body.get("prompt"), references),
        inputs=references.inputs,
        mask=None if body.get("mask") is None else references.read(body["mask"], "mask"),
        warnings=(*request.warnings, *references.warnings),
    )


def _prompt(prompt: Json, references: References) -> str:
    """The prompt, "" when there is none: whether one is needed is settled later."""
    if prompt is None:
        return ""
    if not isinstance(prompt, str):
        raise InvalidRequest("'prompt' must be a text.", param="prompt")
    return references.plain(prompt, "prompt")
