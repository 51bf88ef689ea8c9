"""Models as clients list them: in OpenAI's shape, with what they need to know beside it, and in Google's."""

from collections.abc import Sequence
from typing import Final

from app.core.catalog import Model
from app.core.exchange import Json
from app.core.pricing import Price, currency_of

TOKENS_MAX: Final = 32_768
"""Google's shape has two token limits; ours are in characters and pictures, so Google's own for image models are told.
"""


def openai_model(model: Model, *, currency: str) -> Json:
    """One item of `data` (wire-facts 3.5). When a model was made is not known, so `created` is 0."""
    return {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": "oneshape",
        "kind": model.kind,
        "family": model.family,
        "resolution": model.resolution,
        "aliases": list(model.aliases),
        "aspect_ratios": list(model.aspect_ratios),
        "output_formats": list(model.output_formats),
        "max_images": model.max_images,
        "max_n": model.max_n,
        "mask": model.mask,
        "price": {"currency": currency, **_price(model.price)},
    }


def openai_models(models: Sequence[Model], *, currency: str) -> Json:
    """The whole list."""
    return {"object": "list", "data": [openai_model(model, currency=currency) for model in models]}


def gemini_model(model: Model) -> Json:
    """One item of `models` (wire-facts 4.8)."""
    return {
        "name": f"models/{model.id}",
        "version": "1",
        "displayName": model.id,
        "inputTokenLimit": TOKENS_MAX,
        "outputTokenLimit": TOKENS_MAX,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }


def gemini_models(models: Sequence[Model], *, next_page_token: str | None) -> Json:
    """A page of the list."""
    page = {"models": [gemini_model(model) for model in models]}
    return page if next_page_token is None else {**page, "nextPageToken": next_page_token}


def _price(price: Price) -> dict[str, str]:
    parts = {
        "per_image": price.per_image,
        "per_request": price.per_request,
        "per_1m_input_tokens": price.per_1m_input_tokens,
        "per_1m_cached_input_tokens": price.per_1m_cached_input_tokens,
        "per_1m_output_tokens": price.per_1m_output_tokens,
    }
    return {name: currency_of(units) for name, units in parts.items() if units is not None}
