"""What the parts of a catalog must mean together: names are unique, references hold, prices and options fit."""

from collections.abc import Iterator, Mapping
from typing import Final

from app.core.catalog import Option, match_key
from app.gateway.catalog.document import Document, ModelPart, PricePart, TargetPart
from app.gateway.catalog.findings import Findings, Path

_IMAGE_ONLY: Final = ("family", "resolution", "aspect_ratios", "output_formats", "max_images", "max_n", "mask")
_IMAGE_PRICES: Final = frozenset({"per_image"})
_TOKEN_PRICES: Final = frozenset({"per_1m_input_tokens", "per_1m_output_tokens"})
_CHAT_PRICES: Final = _TOKEN_PRICES | {"per_request", "per_1m_cached_input_tokens"}

DialectOptions = Mapping[str, Mapping[str, Option]]
"""The options of each dialect, by their names."""


def check(document: Document, options: DialectOptions, findings: Findings) -> None:
    """Notes in `findings` everything that does not hold between the parts that could be read."""
    _check_names(document, findings)
    _check_families(document, findings)
    _check_options(document, options, findings)
    for index, model in document.models.items():
        path: Path = ("models", index)
        _check_kind(model, path, findings)
        _check_price(model.price, model.kind, (*path, "price"), findings)
        _check_needed_price(model, (*path, "price"), findings)
        seen: dict[tuple[str, str, str | None], int] = {}
        for number, target in enumerate(model.targets):
            at: Path = (*path, "targets", number)
            _check_target(document, model, target, at, findings)
            first = seen.setdefault((target.vendor, target.model, target.resolution), number)
            if first != number:
                findings.add(at, f"is the same as targets[{first}]; use its weight instead")


def _check_names(document: Document, findings: Findings) -> None:
    """One spelling may not mean two things. A model's own names may match each other."""
    owners: dict[str, tuple[Path, Path]] = {}
    for owner, path, name in _names(document):
        first_owner, first_path = owners.setdefault(match_key(name), (owner, path))
        if first_owner != owner:
            findings.add(path, f"{name!r} means the same as the name at {findings.place(first_path)}")


def _names(document: Document) -> Iterator[tuple[Path, Path, str]]:
    for index, model in document.models.items():
        owner: Path = ("models", index)
        yield owner, (*owner, "id"), model.id
        for number, alias in enumerate(model.aliases):
            yield owner, (*owner, "aliases", number), alias
    for name, family in document.families.items():
        owner = ("families", name)
        yield owner, owner, name
        for number, alias in enumerate(family.aliases):
            yield owner, (*owner, "aliases", number), alias


def _check_families(document: Document, findings: Findings) -> None:
    members: dict[tuple[str, str], int] = {}
    for index, model in document.models.items():
        if model.family is None:
            continue
        if model.family not in document.family_names:
            findings.add(("models", index, "family"), f"{model.family!r} is not in families")
        if model.resolution is None:
            findings.add(("models", index), "a member of a family needs a resolution")
            continue
        first = members.setdefault((model.family, model.resolution), index)
        if first != index:
            place = findings.place(("models", first))
            findings.add(("models", index, "resolution"), f"{model.family} has {model.resolution} already, at {place}")
    for name, family in document.families.items():
        default = [model for model in document.models.values() if model.id == family.default]
        unreadable = not default and family.default in document.model_ids
        if not unreadable and not any(model.family == name for model in default):
            findings.add(("families", name, "default"), f"{family.default!r} is not a model of this family")


def _check_kind(model: ModelPart, path: Path, findings: Findings) -> None:
    if model.kind == "chat":
        for field in _IMAGE_ONLY:
            if field in model.model_fields_set:
                findings.add((*path, field), "is only for image models")
    elif "max_output_tokens" in model.model_fields_set:
        findings.add((*path, "max_output_tokens"), "is only for chat models")


def _check_price(price: PricePart, kind: str, path: Path, findings: Findings) -> None:
    for field in price.model_fields_set - (_IMAGE_PRICES if kind == "image" else _CHAT_PRICES):
        findings.add((*path, field), f"is not a price of {kind} models")


def _check_needed_price(model: ModelPart, path: Path, findings: Findings) -> None:
    price = model.price
    said = {field for field in price.model_fields_set if getattr(price, field) is not None}
    if model.kind == "image":
        if "per_image" not in said:
            findings.add(path, 'an image model needs per_image ("0" when it is free)')
    elif "per_request" not in said or said & _CHAT_PRICES - {"per_request"}:
        for field in sorted(_TOKEN_PRICES - said):
            findings.add(path, f'a chat model needs {field} ("0" when they are free), or per_request alone')


def _check_target(document: Document, model: ModelPart, target: TargetPart, path: Path, findings: Findings) -> None:
    _check_price(target.cost, model.kind, (*path, "cost"), findings)
    if target.vendor not in document.vendor_names:
        findings.add((*path, "vendor"), f"{target.vendor!r} is not in vendors")
    vendor = document.vendors.get(target.vendor)
    if vendor is not None and (vendor.dialect == "openai_chat") != (model.kind == "chat"):
        findings.add((*path, "vendor"), f"speaks {vendor.dialect}, which does not serve {model.kind} models")
    if target.resolution is None:
        return
    if model.kind == "chat":
        findings.add((*path, "resolution"), "is only for image models")
    elif model.resolution is not None and target.resolution != model.resolution:
        findings.add((*path, "resolution"), f"must be the model's own, {model.resolution}")


def _check_options(document: Document, options: DialectOptions, findings: Findings) -> None:
    for name, vendor in document.vendors.items():
        known = options.get(vendor.dialect, {})
        for key, value in vendor.options.items():
            if problem := _option_problem(vendor.dialect, key, value, known):
                findings.add(("vendors", name, "options", key), problem)


def _option_problem(dialect: str, key: str, value: object, known: Mapping[str, Option]) -> str | None:
    if key not in known:
        return f"is not an option of {dialect}; " + (f"known are {', '.join(known)}" if known else "it has none")
    option = known[key]
    if option.values:
        fits = any(value == allowed and type(value) is type(allowed) for allowed in option.values)
        return None if fits else f"must be one of {', '.join(map(_spelt, option.values))}"
    wanted = type(option.default)
    if type(value) is wanted or (wanted is float and type(value) is int):
        return None
    return f"must be of the same type as its default, {_spelt(option.default)}"


def _spelt(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value) if isinstance(value, str) else str(value)
