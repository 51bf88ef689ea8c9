"""The built-in catalog holds every model of the vendor pages, under every spelling that is in use for it."""

import re
from pathlib import Path
from typing import Final

import pytest

from app.core.catalog import Catalog, Target
from app.core.pricing import currency_of
from app.core.shape import STANDARD_RATIOS, ULTRA_RATIOS, Resolution
from app.gateway.catalog.builtin import presets, starter
from app.gateway.catalog.document import FamilyPart, ModelPart, PricePart, TargetPart, VendorPart
from tests.catalog.support import loaded

EXAMPLE: Final = Path(__file__).resolve().parents[2] / "catalog.example.yaml"
KEYS: Final = {
    name: f"key-of-{name.lower()}"
    for name in ("UNIALL_API_KEY", "INFINITYBLUE_API_KEY", "CCAPI_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
}

# Wire facts, section 7: the canonical ids, and what each vendor and others call them.
SPELLINGS: Final = {
    "nano-banana": "NanoBanana nanobanana nano_banana gemini-2.5-flash-image fal-ai/nano-banana/edit",
    "nano-banana-pro-1k": "NanoBananaPro-1K gemini-3-pro-image-preview-1k nanobanana_pro_1k nanobanana_pro",
    "nano-banana-pro-2k": "NanoBananaPro-2K nanobanana_pro@2K gemini-3-pro-image@2K gemini-3-pro-image-preview-2k",
    "nano-banana-pro-4k": "NanoBananaPro-4K gemini-3-pro-image-preview-4k NANOBANANAPRO4K",
    "nano-banana-2-0.5k": "NanoBanana2-0.5K nano-banana-2-512 gemini-3.1-flash-image-preview-512",
    "nano-banana-2-1k": "NanoBanana2-1K gemini-3.1-flash-image-preview-1k nanobanana_2 gemini-3.1-flash-image",
    "nano-banana-2-2k": "NanoBanana2-2K gemini-3.1-flash-image-preview-2k nano_banana_2_2K",
    "nano-banana-2-4k": "NanoBanana2-4K gemini-3.1-flash-image-preview-4k",
    "nano-banana-2.1-1k": "gemini-nano-banana-2.1 google/gemini-nano-banana-2.1 nano-banana-2.1",
    "nano-banana-2.1-2k": "Nano-Banana-2.1-2K",
    "nano-banana-2.1-4k": "nanobanana2.1_4k",
    "nano-banana-2-lite": "gemini-3.1-flash-lite-image models/gemini-3.1-flash-lite-image",
    "gpt-image-2": "gpt-image-2-2026-04-21",
    "gpt-4o-mini": "GPT-4o-mini",
}
FAMILIES: Final = {
    "nano-banana-pro": "nanobanana_pro NanoBananaPro google/gemini-3-pro-image models/gemini-3-pro-image "
    "fal-ai/nano-banana-pro gemini-3-pro-image-preview nano-banana-pro-preview fal-ai/nano-banana-pro/edit",
    "nano-banana-2": "nanobanana_2 NanoBanana2 gemini-3.1-flash-image-preview fal-ai/nano-banana-2",
    "nano-banana-2.1": "gemini-nano-banana-2.1",
}
# Wire facts, section 4.9, in USD.
PRICES: Final = {
    "nano-banana": "0.039",
    "nano-banana-pro-1k": "0.134",
    "nano-banana-pro-2k": "0.134",
    "nano-banana-pro-4k": "0.24",
    "nano-banana-2-0.5k": "0.045",
    "nano-banana-2-1k": "0.067",
    "nano-banana-2-2k": "0.101",
    "nano-banana-2-4k": "0.151",
    "nano-banana-2.1-1k": "0.0336",
    "nano-banana-2.1-2k": "0.05",
    "nano-banana-2.1-4k": "0.076",
    "nano-banana-2-lite": "0.0336",
}
NANO: Final = tuple(PRICES)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return loaded(starter(), env=KEYS).catalog


def told(target: Target) -> tuple[str, str, Resolution | None]:
    return target.vendor.name, target.model, target.resolution


def test_the_starter_says_nothing_when_all_keys_are_set() -> None:
    assert loaded(starter(), env=KEYS).warnings == ()


def test_a_new_installation_without_keys_has_every_model_and_none_available() -> None:
    built = loaded(starter())
    assert set(built.catalog.models) == set(SPELLINGS)
    assert not any(model.available for model in built.catalog.models.values())
    assert len(built.warnings) == len(built.catalog.vendors)


@pytest.mark.parametrize(
    ("model", "name"), [(model, name) for model, names in SPELLINGS.items() for name in (model, *names.split())]
)
def test_every_spelling_in_use_finds_its_model(catalog: Catalog, model: str, name: str) -> None:
    assert catalog.resolve(name).model.id == model


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family, names in FAMILIES.items() for name in (family, *names.split())]
)
def test_a_familys_name_and_a_resolution_find_the_tier(catalog: Catalog, family: str, name: str) -> None:
    tiers: tuple[Resolution, ...] = ("1K", "2K", "4K")
    for tier in tiers:
        resolved = catalog.resolve(name, resolution=tier)
        assert (resolved.model.id, resolved.by_family) == (f"{family}-{tier.lower()}", True)


@pytest.mark.parametrize("name", ["NanoBananaPro-8K", "nano-banana-3", "gemini-2.5-flash", "dall-e-3"])
def test_what_no_vendor_page_lists_is_unknown(catalog: Catalog, name: str) -> None:
    assert catalog.find(name) is None


@pytest.mark.parametrize("model", NANO)
def test_prices_are_those_that_were_found(catalog: Catalog, model: str) -> None:
    assert currency_of(catalog.models[model].price.per_image or 0) == PRICES[model]


@pytest.mark.parametrize("model", NANO)
def test_ratios_are_those_of_the_model(catalog: Catalog, model: str) -> None:
    long = model.startswith("nano-banana-2")
    assert catalog.models[model].aspect_ratios == (*STANDARD_RATIOS, *(ULTRA_RATIOS if long else ()))


# The request tables of the vendor pages, and wire facts, section 7.
@pytest.mark.parametrize(
    ("model", "targets"),
    [
        (
            "nano-banana",
            {
                ("uniall-tasks", "NanoBanana", None),
                ("uniall-chat", "NanoBanana", None),
                ("infinityblue", "nanobanana", None),
                ("ccapi", "nano-banana", None),
                ("google", "gemini-2.5-flash-image", None),
            },
        ),
        (
            "nano-banana-pro-2k",
            {
                ("uniall-tasks", "NanoBananaPro-2K", None),
                ("uniall-chat", "NanoBananaPro-2K", None),
                ("infinityblue", "nanobanana_pro", "2K"),
                ("ccapi", "nano-banana-pro-2k", None),
                ("google", "gemini-3-pro-image", "2K"),
            },
        ),
        (
            "nano-banana-2-0.5k",
            {
                ("uniall-tasks", "NanoBanana2-0.5K", None),
                ("uniall-chat", "NanoBanana2-0.5K", None),
                ("infinityblue", "nanobanana_2", "0.5K"),
                ("ccapi", "nano-banana-2-0.5k", None),
                ("google", "gemini-3.1-flash-image", "0.5K"),
            },
        ),
        ("nano-banana-2.1-4k", {("google", "gemini-nano-banana-2.1", "4K")}),
        ("nano-banana-2-lite", {("google", "gemini-3.1-flash-lite-image", None)}),
        ("gpt-image-2", {("openai", "gpt-image-2", None)}),
        ("gpt-4o-mini", {("openai-chat", "gpt-4o-mini", None)}),
    ],
)
def test_each_vendor_is_asked_in_its_own_words(
    catalog: Catalog, model: str, targets: set[tuple[str, str, Resolution | None]]
) -> None:
    assert {told(target) for target in catalog.models[model].targets} == targets


def test_vendors_speak_what_their_pages_say(catalog: Catalog) -> None:
    vendors = {name: (vendor.dialect, vendor.base_url) for name, vendor in catalog.vendors.items()}
    assert vendors["infinityblue"] == ("chat_images", "https://api.getinfinityblue.com/v1")
    assert vendors["ccapi"] == ("openai_images", "https://api.ccapi.ai//v1")
    assert vendors["google"] == ("gemini", "https://generativelanguage.googleapis.com/v1beta")
    assert vendors["openai"] == ("openai_images", "https://api.openai.com/v1")
    assert vendors["uniall-tasks"][0] == "image_tasks"
    assert vendors["uniall-chat"][0] == "chat_images"
    assert catalog.vendors["uniall-chat"].options["stream"] is True
    assert catalog.vendors["infinityblue"].options["stream"] is False


@pytest.mark.parametrize("name", presets())
def test_a_preset_and_a_key_are_enough_for_a_known_vendor(name: str) -> None:
    text = f"version: 1\nvendors:\n  ours: {{preset: {name}, api_keys: [key]}}\n"
    assert loaded(text).catalog.vendors["ours"].configured


def test_the_example_for_operators_is_valid_and_shows_every_field() -> None:
    text = EXAMPLE.read_text("utf-8")
    assert loaded(text, env={**KEYS, "ANOTHER_API_KEY": "k", "INFINITYBLUE_API_KEY_2": "k"}).warnings == ()
    shown = set(re.findall(r"([a-z_0-9]+):(?= |$)", text, re.MULTILINE))
    parts = (VendorPart, ModelPart, FamilyPart, TargetPart, PricePart)
    fields = {"version", "currency", "vendors", "models", "families", "preset"}.union(
        *(part.model_fields for part in parts)
    )
    assert fields - shown == set()


def test_the_example_names_every_preset() -> None:
    text = EXAMPLE.read_text("utf-8")
    assert [name for name in presets() if not re.search(rf"# Presets: .*\b{name}\b", text)] == []
