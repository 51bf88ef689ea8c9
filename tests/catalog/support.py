"""A small valid catalog, and the words a broken one is refused with."""

from collections.abc import Mapping

import pytest

from app.gateway.catalog.build import LoadedCatalog, load
from app.gateway.catalog.findings import CatalogInvalid
from app.gateway.catalog.yaml import Format

SECRET_KEY = b"a secret key of an installation"

SMALL = """\
version: 1
currency: USD
vendors:
  painter:
    dialect: openai_images
    base_url: https://painter.example/v1
    api_keys: [pk-one]
  talker:
    dialect: openai_chat
    base_url: https://talker.example/v1
    api_keys: [tk-one]
models:
  - id: picture-1k
    kind: image
    family: picture
    resolution: 1K
    aspect_ratios: [1:1, 9:16]
    price: {per_image: "0.05"}
    targets:
      - {vendor: painter, model: paint-1k}
  - id: words
    kind: chat
    price: {per_1m_input_tokens: "0.15", per_1m_output_tokens: "0.60"}
    targets:
      - {vendor: talker, model: talk-small}
families:
  picture: {aliases: [pic], default: picture-1k}
"""


def loaded(
    text: str | bytes = SMALL, *, env: Mapping[str, str] | None = None, language: Format = "yaml"
) -> LoadedCatalog:
    """The catalog of a text that must be valid."""
    return load(text, format=language, env=env or {}, secret_key=SECRET_KEY, revision=7)


def refusal(text: str | bytes, *, env: Mapping[str, str] | None = None, language: Format = "yaml") -> list[str]:
    """Everything that a text is refused for, as an operator reads it."""
    with pytest.raises(CatalogInvalid) as refused:
        load(text, format=language, env=env or {}, secret_key=SECRET_KEY, revision=7)
    return [str(error) for error in refused.value.errors]


def changed(before: str, after: str, *, text: str = SMALL) -> str:
    """The small catalog with one passage, which must be there once, written otherwise."""
    assert text.count(before) == 1, before
    return text.replace(before, after)
