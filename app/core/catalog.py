"""The catalog: vendors, models, targets and families as one immutable snapshot, and how a name finds its model."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from app.core.errors import InvalidRequest, NotFound
from app.core.image import OutputFormat
from app.core.pricing import Price
from app.core.shape import Resolution, Size, nearest_resolution

Dialect = Literal["openai_chat", "chat_images", "openai_images", "image_tasks", "gemini"]
OptionValue = str | int | float | bool

_PREFIXES = re.compile(r"^(?:models/|google/)+")
_SEPARATORS = re.compile(r"[-_]")


@dataclass(frozen=True, slots=True)
class Option:
    """One dialect option an operator may set: its default, the values it takes (empty: any of the default's type), its
    meaning.
    """

    default: OptionValue
    doc: str
    values: tuple[OptionValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Vendor:
    """One configured upstream. `api_keys` are the secrets themselves; without one the vendor is not used."""

    name: str
    dialect: Dialect
    base_url: str
    api_keys: tuple[str, ...] = field(repr=False, default=())
    timeout_s: float = 240.0
    concurrency: int = 32
    options: Mapping[str, OptionValue] = field(default_factory=dict)

    @property
    def configured(self) -> bool:
        """Whether there is a credential to call it with."""
        return bool(self.api_keys)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a model may be served. `resolution` set means that the vendor is told it in a field.

    `aspect_ratios`: those of the model's that this target draws; empty means all.
    """

    vendor: Vendor
    model: str
    resolution: Resolution | None = None
    priority: int = 1
    weight: int = 1
    cost: Price = Price()
    aspect_ratios: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """A public model. Empty `aspect_ratios` or `output_formats` mean that it sets no limit of its own."""

    id: str
    kind: Literal["image", "chat"]
    price: Price
    targets: tuple[Target, ...]
    family: str | None = None
    resolution: Resolution | None = None
    aliases: tuple[str, ...] = ()
    aspect_ratios: tuple[str, ...] = ()
    output_formats: tuple[OutputFormat, ...] = ()
    max_images: int = 14
    max_n: int = 10
    mask: bool = False
    max_output_tokens: int | None = None

    @property
    def available(self) -> bool:
        """Whether any of its targets has a credential."""
        return any(target.vendor.configured for target in self.targets)


@dataclass(frozen=True, slots=True)
class Family:
    """Models that differ only in resolution; asked for without one, `default` serves."""

    id: str
    default: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolved:
    """A model found by name. `by_family`: the name left the resolution open, so a size may choose it."""

    model: Model
    by_family: bool


NAME_CHARS_MAX: Final = 256
"""No model has a longer name: what is longer is compared as it stands (fault-cases B25)."""


def match_key(name: str) -> str:
    """What two spellings of one model name have in common: no prefix, no case, no `-` and `_`."""
    if len(name) > NAME_CHARS_MAX:
        return name
    return _SEPARATORS.sub("", _PREFIXES.sub("", name.strip().lower()))


class Catalog:
    """One validated revision, looked up by any spelling. Build it with `gateway.catalog`, which validates."""

    def __init__(
        self,
        *,
        revision: int,
        currency: str,
        vendors: Mapping[str, Vendor],
        models: Mapping[str, Model],
        families: Mapping[str, Family],
    ) -> None:
        self.revision = revision
        self.currency = currency
        self.vendors = vendors
        self.models = models
        self.families = families
        self._models = {match_key(name): model for model in models.values() for name in (model.id, *model.aliases)}
        self._families = {
            match_key(name): family for family in families.values() for name in (family.id, *family.aliases)
        }
        self._members: dict[str, list[Model]] = {}
        for model in models.values():
            if model.family is not None:
                self._members.setdefault(model.family, []).append(model)

    def resolve(self, name: str, *, resolution: Resolution | None = None, size: Size | None = None) -> Resolved:
        """The model a client means by `name`, and by `resolution` or `size` where the name is a family's.

        Raises:
            NotFound: no model or family is called so.
            InvalidRequest: the name's own resolution is another one, or the family has no such member.
        """
        key = match_key(name)
        if (model := self._models.get(key)) is not None:
            _refuse_other_resolution(model, name, resolution)
            return Resolved(model, by_family=False)
        if (family := self._families.get(key)) is None:
            raise NotFound(f"The model {name[:100]!r} does not exist.", code="model_not_found", param="model")
        return Resolved(self._member(family, resolution, size), by_family=True)

    def find(self, name: str) -> Model | None:
        """The model of any spelling, a family's default included, or None."""
        try:
            return self.resolve(name).model
        except NotFound:
            return None

    def _member(self, family: Family, resolution: Resolution | None, size: Size | None) -> Model:
        members = {model.resolution: model for model in self._members.get(family.id, ()) if model.resolution}
        if resolution is None and size is not None:
            resolution = nearest_resolution(size, members.keys())
        if resolution is None:
            return self.models[family.default]
        if resolution not in members:
            raise InvalidRequest(
                f"The resolution {resolution!r} is not offered by {family.id}. Allowed: {', '.join(members)}.",
                param="resolution",
            )
        return members[resolution]


def _refuse_other_resolution(model: Model, name: str, resolution: Resolution | None) -> None:
    if resolution is None or resolution == model.resolution:
        return
    if model.resolution is None:
        raise InvalidRequest(
            f"The model {name[:100]!r} does not take a resolution.", code="unsupported_parameter", param="resolution"
        )
    raise InvalidRequest(
        f"The model {name[:100]!r} means the resolution {model.resolution}, but 'resolution' says {resolution!r}: "
        "'model' and 'resolution' must agree.",
        code="conflicting_parameters",
        param="resolution",
    )
