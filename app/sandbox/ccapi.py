"""ccapi's image generation, as its page shows it: OpenAI's shape with `aspect_ratio` and `image` on top, URLs back."""

from collections.abc import Mapping
from typing import Final

from starlette.responses import Response

from app.sandbox.chat_shapes import FRIENDLY
from app.sandbox.desk import Visit
from app.sandbox.easel import Handed
from app.sandbox.orders import Order, Reference
from app.sandbox.pixels import NanoModel, nano, nano_first, nano_ultra
from app.sandbox.reading import Json, one_of, text_at
from app.sandbox.refusals import Refusal

_MODELS: Final[Mapping[str, NanoModel]] = {
    "nano-banana": nano_first(),
    "nano-banana-pro-1k": nano("1K"),
    "nano-banana-pro-2k": nano("2K"),
    "nano-banana-pro-4k": nano("4K"),
    "nano-banana-2-0.5k": nano_ultra("512"),
    "nano-banana-2-1k": nano_ultra("1K"),
    "nano-banana-2-2k": nano_ultra("2K"),
    "nano-banana-2-4k": nano_ultra("4K"),
}
"""The page spells out `nano-banana` and `nano-banana-2-2k`; the others follow its pattern."""
_LINK_STAMP: Final = "sandbox-token_1"
_BOILERPLATE: Final = "According my description, output image: "


async def generate(visit: Visit) -> Response:
    """`POST //v1/images/generations`. The model is sold per call: one picture, whatever `n` says."""
    order = _read(visit, visit.json_body())
    if (instead := await visit.admit(model=order.model, prompt=order.prompt, order=order)) is not None:
        return instead
    if "refusal" in visit.faults:
        return visit.style(Refusal(400, "Rejected on content by the safety system.", code="moderation_blocked"))
    # The token is checked when the file is fetched: who drops or re-encodes the query gets nothing.
    handed = await visit.pictures(order, usually="url", token=_LINK_STAMP)
    data = [_item(one, order.prompt) for one in handed]
    if "text_only" in visit.faults:
        data = [{"revised_prompt": FRIENDLY}]
    return visit.delivery.whole({"created": visit.now_s, "data": data})


def _read(visit: Visit, body: Json) -> Order:
    name = text_at(body, "model", required=True)
    if name not in _MODELS:
        raise Refusal(400, f"Model {name} does not exist.", code="model_not_found", param="model")
    model = _MODELS[name]
    ratio = one_of(text_at(body, "aspect_ratio"), model.ratios, param="aspect_ratio")
    prompt = text_at(body, "prompt", required=True)
    width, height = model.pixels(ratio)
    return Order(
        vendor="ccapi",
        model=name,
        prompt=prompt,
        width=width,
        height=height,
        ratio=ratio,
        format="png",
        references=_references(visit, body),
    )


def _references(visit: Visit, body: Json) -> tuple[Reference, ...]:
    value = body.get("image")
    listed = value if isinstance(value, list) else [] if value is None else [value]
    read = []
    for one in listed:
        if not isinstance(one, str):
            raise Refusal(400, "image must be a string or an array of strings.", param="image")
        read.append(visit.references.from_url(one, param="image"))
    return tuple(read)


def _item(one: Handed, prompt: str) -> Json:
    item: Json = {"url": one.url} if one.url is not None else {"b64_json": one.base64}
    return {**item, "revised_prompt": f"{_BOILERPLATE}{prompt}"}
