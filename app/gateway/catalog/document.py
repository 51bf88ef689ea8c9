"""The shape of a catalog document: every field and its bounds. What fields mean together is in `checks`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from app.core.catalog import Dialect, OptionValue, match_key
from app.core.image import OutputFormat
from app.core.pricing import Price, Units, units_of
from app.core.shape import RESOLUTIONS, Resolution, parse_ratio, parse_resolution

Kind = Literal["image", "chat"]

_MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_BASE_URL = re.compile(r"https?://[A-Za-z0-9.\[\]:_-]+(?:/[A-Za-z0-9._~/%:@!&'()*+,;=-]*)?")


def _units(value: object) -> object:
    if isinstance(value, str):
        return units_of(value)
    if isinstance(value, int):
        return units_of(str(value))
    if value is None:
        return None
    raise ValueError('must be written in quotes, such as "0.134": an unquoted fraction is not exact')


def _scalar(value: object) -> object:
    if not isinstance(value, str | int | float):
        raise ValueError("must be a text, a number, true or false")  # noqa: TRY004 -- pydantic reports ValueErrors
    return value


def _resolution(value: object) -> object:
    """YAML reads `512` as a number, so numbers are taken too."""
    parsed = parse_resolution(str(value)) if isinstance(value, str | int) else None
    if parsed is None and value is not None:
        raise ValueError(f"must be one of {', '.join(RESOLUTIONS)}")
    return parsed


def _base_url(url: str) -> str:
    if not _BASE_URL.fullmatch(url):
        raise ValueError(
            "must be an http or https address without credentials, query and fragment; nothing is expanded"
        )
    return url.rstrip("/")


def _public_name(name: str) -> str:
    if not _MODEL_NAME.fullmatch(name) or not match_key(name):
        raise ValueError("must be letters, digits and . _ - : / @ +, beginning with a letter or digit, at most 128")
    return name


def _ratio(text: str) -> str:
    if parse_ratio(text) is None:
        raise ValueError("must be written W:H, such as 16:9")
    return text


def _distinct(values: list[Any]) -> list[Any]:
    if len(set(values)) != len(values):
        raise ValueError("names something twice")
    return values


Amount = Annotated[Units | None, BeforeValidator(_units)]
Setting = Annotated[OptionValue, BeforeValidator(_scalar)]
Tier = Annotated[Resolution | None, BeforeValidator(_resolution)]
PublicName = Annotated[str, AfterValidator(_public_name)]
Ratio = Annotated[str, AfterValidator(_ratio)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


class PricePart(_Part):
    """A price or a cost: amounts of the currency as texts, read as units."""

    per_image: Amount = None
    per_request: Amount = None
    per_1m_input_tokens: Amount = None
    per_1m_cached_input_tokens: Amount = None
    per_1m_output_tokens: Amount = None

    def price(self) -> Price:
        """The same as the core's price."""
        return Price(**self.model_dump())


class TargetPart(_Part):
    """One vendor and its name for the model."""

    vendor: str
    model: str = Field(min_length=1, max_length=200)
    resolution: Tier = None
    priority: int = Field(1, ge=0, le=1000)
    weight: int = Field(1, ge=1, le=1000)
    cost: PricePart = PricePart()
    aspect_ratios: Annotated[list[Ratio], AfterValidator(_distinct)] = []


class ModelPart(_Part):
    """One public model."""

    id: PublicName
    kind: Kind
    family: str | None = None
    resolution: Tier = None
    aliases: list[PublicName] = []
    aspect_ratios: Annotated[list[Ratio], AfterValidator(_distinct)] = []
    output_formats: Annotated[list[OutputFormat], AfterValidator(_distinct)] = []
    max_images: int = Field(14, ge=0, le=16)
    max_n: int = Field(10, ge=1, le=10)
    mask: bool = False
    max_output_tokens: int | None = Field(None, ge=1, le=100_000_000)
    price: PricePart
    targets: list[TargetPart] = Field(min_length=1, max_length=100)


class FamilyPart(_Part):
    """Models that differ only in resolution."""

    aliases: list[PublicName] = []
    default: str


class VendorPart(_Part):
    """One upstream, its preset already laid under it. Options are judged by their dialect, in `checks`."""

    dialect: Dialect
    base_url: BaseUrl
    api_keys: list[str] = Field([], max_length=100)
    timeout_s: float | None = Field(None, ge=1, le=3600)
    concurrency: int = Field(32, ge=1, le=100_000)
    options: dict[str, Setting] = {}


@dataclass(frozen=True, slots=True)
class Document:
    """The parts that could be read, models by their index, and the names of all: a part that could not be read is not
    also reported as unknown wherever it is used.
    """

    currency: str
    vendors: Mapping[str, VendorPart]
    models: Mapping[int, ModelPart]
    families: Mapping[str, FamilyPart]
    vendor_names: frozenset[str]
    model_ids: frozenset[str]
    family_names: frozenset[str]
