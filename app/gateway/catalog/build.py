"""From the text of a catalog to the snapshot that serves: read, checked, its keys opened; all errors told at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.core.catalog import Catalog, Family, Model, Option, Target, Vendor
from app.dialects import DIALECTS, openai_chat
from app.gateway.catalog.builtin import presets
from app.gateway.catalog.checks import check
from app.gateway.catalog.document import Document, ModelPart, VendorPart
from app.gateway.catalog.findings import CatalogInvalid, Finding, Findings
from app.gateway.catalog.reading import read_document
from app.gateway.catalog.secrets import open_secret
from app.gateway.catalog.yaml import Format, Value, read

# How long a vendor may take where it does not say (fault cases, section 5).
_IMAGE_TIMEOUT_S: Final = 240.0
_CHAT_TIMEOUT_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class LoadedCatalog:
    """A catalog that serves, the document it was built from, and what is worth saying about it."""

    catalog: Catalog
    document: Value
    warnings: tuple[Finding, ...]


def load(
    text: str | bytes,
    *,
    format: Format,  # noqa: A002 -- the word operators know it by
    env: Mapping[str, str],
    secret_key: bytes,
    revision: int,
) -> LoadedCatalog:
    """Builds the catalog written in `text`; `env:NAME` is looked up in `env`.

    A key that is not set is a warning: its vendor is there, and not used.

    Raises:
        CatalogInvalid: with everything that is wrong.
    """
    value, lines = read(text, format=format)
    errors, warnings = Findings(lines), Findings(lines)
    document = read_document(value, presets(), errors)
    options = {name: dialect.options for name, dialect in DIALECTS.items()} | {"openai_chat": openai_chat.OPTIONS}
    check(document, options, errors)
    keys = {
        name: _keys(name, part.api_keys, env, secret_key, errors, warnings) for name, part in document.vendors.items()
    }
    if found := errors.all():
        raise CatalogInvalid(found)
    _warn_of_losses(document, warnings)
    vendors = {
        name: _vendor(name, part, keys[name], options.get(part.dialect, {})) for name, part in document.vendors.items()
    }
    catalog = Catalog(
        revision=revision,
        currency=document.currency,
        vendors=vendors,
        models={part.id: _model(part, vendors) for part in document.models.values()},
        families={
            name: Family(id=name, default=part.default, aliases=tuple(part.aliases))
            for name, part in document.families.items()
        },
    )
    return LoadedCatalog(catalog, value, tuple(warnings.all()))


def _keys(
    vendor: str,
    entries: Sequence[str],
    env: Mapping[str, str],
    secret_key: bytes,
    errors: Findings,
    warnings: Findings,
) -> tuple[str, ...]:
    """A vendor's keys in their order, each once."""
    keys: dict[str, None] = {}
    for number, entry in enumerate(entries):
        path = ("vendors", vendor, "api_keys", number)
        try:
            key = open_secret(entry, env=env, secret_key=secret_key)
        except ValueError as error:
            errors.add(path, str(error))
            continue
        if key is not None:
            keys[key] = None
        elif len(entries) > 1:
            warnings.add(path, f"{entry} is not set")
    if not keys:
        unset = f": {entries[0]} is not set" if len(entries) == 1 else ""
        warnings.add(("vendors", vendor), f"has no key, so it is not used{unset}")
    return tuple(keys)


def _warn_of_losses(document: Document, warnings: Findings) -> None:
    for index, model in document.models.items():
        for number, target in enumerate(model.targets):
            if target.cost.per_image is not None and target.cost.per_image > (model.price.per_image or 0):
                warnings.add(
                    ("models", index, "targets", number, "cost"), "a picture costs more here than it is sold for"
                )


def _vendor(name: str, part: VendorPart, keys: tuple[str, ...], known: Mapping[str, Option]) -> Vendor:
    return Vendor(
        name=name,
        dialect=part.dialect,
        base_url=part.base_url,
        api_keys=keys,
        timeout_s=part.timeout_s or (_CHAT_TIMEOUT_S if part.dialect == "openai_chat" else _IMAGE_TIMEOUT_S),
        concurrency=part.concurrency,
        options={key: option.default for key, option in known.items()} | part.options,
    )


def _model(part: ModelPart, vendors: Mapping[str, Vendor]) -> Model:
    return Model(
        id=part.id,
        kind=part.kind,
        price=part.price.price(),
        targets=tuple(
            Target(
                vendor=vendors[target.vendor],
                model=target.model,
                resolution=target.resolution,
                priority=target.priority,
                weight=target.weight,
                cost=target.cost.price(),
                aspect_ratios=tuple(target.aspect_ratios),
            )
            for target in part.targets
        ),
        family=part.family,
        resolution=part.resolution,
        aliases=tuple(part.aliases),
        aspect_ratios=tuple(part.aspect_ratios),
        output_formats=tuple(part.output_formats),
        max_images=part.max_images,
        max_n=part.max_n,
        mask=part.mask,
        max_output_tokens=part.max_output_tokens,
    )
