"""Every field of a catalog is checked by itself, and every mistake is told at once with its path and its line."""

import pytest

from app.core.catalog import Target, Vendor
from app.core.pricing import Price, Units
from tests.catalog.support import SMALL, changed, loaded, refusal

UNQUOTED = 'must be written in quotes, such as "0.134": an unquoted fraction is not exact'


def test_a_valid_document_becomes_the_snapshot_it_describes() -> None:
    catalog = loaded().catalog
    model = catalog.models["picture-1k"]
    assert (catalog.revision, catalog.currency) == (7, "USD")
    assert (model.kind, model.family, model.resolution, model.max_images, model.max_n) == (
        "image",
        "picture",
        "1K",
        14,
        10,
    )
    assert model.aspect_ratios == ("1:1", "9:16")
    assert model.price == Price(per_image=Units(50_000))
    assert model.targets == (Target(vendor=catalog.vendors["painter"], model="paint-1k"),)
    assert catalog.resolve("PIC").by_family


def test_a_vendor_that_does_not_say_waits_as_long_as_its_kind_needs() -> None:
    vendors = loaded().catalog.vendors
    assert (vendors["painter"].timeout_s, vendors["talker"].timeout_s) == (240.0, 600.0)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_document() -> None:
    text = (
        SMALL.replace("version: 1", "version: 2")
        .replace("dialect: openai_images", "dialect: smoke_signals")
        .replace("9:16]", "9-16]")
        .replace('per_image: "0.05"', "per_image: 0.05")
        .replace("model: talk-small", "modell: talk-small")
        .replace("default: picture-1k", "default: picture-9k")
    )
    assert [error.split(": ", 1)[0] for error in refusal(text)] == [
        "version (line 1)",
        "vendors.painter.dialect (line 5)",
        "models[0].aspect_ratios[1] (line 17)",
        "models[0].price.per_image (line 18)",
        "models[1].targets[0].model (line 25)",
        "models[1].targets[0].modell (line 25)",
        "families.picture.default (line 27)",
    ]


def test_an_unread_part_is_not_also_reported_as_unknown_where_it_is_used() -> None:
    assert len(refusal(changed("dialect: openai_images", "dialect: smoke_signals"))) == 1
    assert len(refusal(changed("9:16]", "nine]"))) == 1


def test_a_price_that_is_an_unquoted_fraction_is_refused_since_it_is_not_exact() -> None:
    assert refusal(changed('"0.05"', "0.05")) == ["models[0].price.per_image (line 18): " + UNQUOTED]


@pytest.mark.parametrize(("written", "units"), [('"0.05"', 50_000), ("2", 2_000_000), ('"0"', 0), ('"0.000001"', 1)])
def test_prices_are_exact_units(written: str, units: int) -> None:
    model = loaded(changed('"0.05"', written)).catalog.models["picture-1k"]
    assert model.price == Price(per_image=Units(units))


@pytest.mark.parametrize(
    "written", ['"-1"', '"0.0000001"', '"1e400"', '"NaN"', '"Infinity"', "true", "[1]", '""', "1e999", '"9007199255"']
)
def test_what_is_no_price_is_refused(written: str) -> None:
    assert refusal(changed('"0.05"', written))[0].startswith("models[0].price.per_image (line 18): ")


@pytest.mark.parametrize(("written", "tier"), [("512", "0.5K"), ("0.5k", "0.5K"), ("2k", "2K"), ("4K", "4K")])
def test_a_resolution_is_taken_in_any_spelling(written: str, tier: str) -> None:
    assert loaded(changed("resolution: 1K", f"resolution: {written}")).catalog.models["picture-1k"].resolution == tier


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("version: 1", "version: true", "version (line 1): must be 1"),
        ("currency: USD", "currency: usd", "currency (line 2): must be three capital letters, such as USD"),
        ("currency: USD", "currency: USD\nmoney: 1", "money (line 3): is not a known field"),
        ("  talker:\n", "  talk/er:\n", "vendors.talk/er (line 8): must be named with letters"),
        ("    api_keys: [pk-one]", "    api_key: pk-one", "vendors.painter.api_key (line 7): is not a known field"),
        ("api_keys: [pk-one]", "api_keys: pk-one", "vendors.painter.api_keys (line 7): must be a valid list"),
        (
            "api_keys: [pk-one]",
            "timeout_s: 0",
            "vendors.painter.timeout_s (line 7): must be greater than or equal to 1",
        ),
        ("api_keys: [pk-one]", 'timeout_s: "9"', "vendors.painter.timeout_s (line 7): must be a valid number"),
        ("api_keys: [pk-one]", "concurrency: 1.5", "vendors.painter.concurrency (line 7): must be a valid integer"),
        (
            "api_keys: [pk-one]",
            "options: {edits: [1]}",
            "vendors.painter.options.edits (line 7): must be a text, a number",
        ),
        ("api_keys: [pk-one]", "code: print(1)", "vendors.painter.code (line 7): is not a known field"),
        ("- id: words", "- id: wo rds", "models[1].id (line 21): must be letters, digits"),
        ("- id: words", "- id: 12", "models[1].id (line 21): must be a valid string"),
        ("- id: words", "- name: words", "models[1].id (line 21): is required"),
        ("kind: chat", "kind: video", "models[1].kind (line 22): must be 'image' or 'chat'"),
        ("resolution: 1K", "resolution: 3K", "models[0].resolution (line 16): must be one of 0.5K, 1K, 2K, 4K"),
        ("[1:1, 9:16]", "[1:1, 1:1]", "models[0].aspect_ratios (line 17): names something twice"),
        ("[1:1, 9:16]", "[1:1]\n    max_n: 11", "models[0].max_n (line 18): must be less than or equal to 10"),
        ("[1:1, 9:16]", "[1:1]\n    mask: yes", "models[0].mask (line 18): must be a valid boolean"),
        (
            "[1:1, 9:16]",
            "[1:1]\n    output_formats: [gif]",
            "models[0].output_formats[0] (line 18): must be 'png', 'jpeg' or 'webp'",
        ),
        (
            "paint-1k}",
            "paint-1k, weight: 0}",
            "models[0].targets[0].weight (line 20): must be greater than or equal to 1",
        ),
        ("default: picture-1k", "defaults: picture-1k", "families.picture.default (line 27): is required"),
    ],
)
def test_a_field_that_is_wrong_is_told_with_its_place(before: str, after: str, told: str) -> None:
    assert any(error.startswith(told) for error in refusal(changed(before, after))), refusal(changed(before, after))


@pytest.mark.parametrize(
    "text", ["[]", "words", "1", "null", "vendors: []", "version: 1\nmodels: {}", "version: 1\nfamilies: 1"]
)
def test_another_shape_altogether_is_refused(text: str) -> None:
    assert refusal(text)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://painter.example/v1",
        "painter.example/v1",
        "https://user:secret@painter.example/v1",
        "https://painter.example/v1?key=1",
        "https://painter.example/v1#x",
        "https://painter.example/${PATH}",
        "https://painter.example/{{ x }}",
        "https:///v1",
        '"https://painter.example/v1\\r\\nx: y"',
        "file:///etc/passwd",
    ],
)
def test_a_base_url_is_a_plain_web_address_and_nothing_is_expanded_in_it(url: str) -> None:
    assert refusal(changed("https://painter.example/v1", url))[0].startswith(
        "vendors.painter.base_url (line 6): must be"
    )


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://api.third.example//v1", "https://api.third.example//v1"),
        ("http://127.0.0.1:9000/openai/v1/", "http://127.0.0.1:9000/openai/v1"),
        ("http://[::1]:9000", "http://[::1]:9000"),
    ],
)
def test_a_base_url_keeps_what_is_the_vendors(written: str, kept: str) -> None:
    assert loaded(changed("https://painter.example/v1", written)).catalog.vendors["painter"].base_url == kept


def test_a_preset_and_a_key_make_a_vendor() -> None:
    text = changed("    dialect: openai_images\n    base_url: https://painter.example/v1\n", "    preset: ccapi\n")
    painter = loaded(text).catalog.vendors["painter"]
    assert (painter.dialect, painter.base_url) == ("openai_images", "https://api.ccapi.ai//v1")
    assert painter.options["aspect_ratio"] == "top_level"


def test_what_a_vendor_says_itself_goes_before_its_preset() -> None:
    text = changed("    dialect: openai_images\n", "    preset: ccapi\n    options: {edits: multipart}\n")
    painter = loaded(text).catalog.vendors["painter"]
    assert painter.base_url == "https://painter.example/v1"
    assert (painter.options["edits"], painter.options["image_field"]) == ("multipart", "image")


def test_an_unknown_preset_is_told_once_with_the_known_ones() -> None:
    errors = refusal(changed("    dialect: openai_images\n", "    preset: smoke\n"))
    assert len(errors) == 1
    assert errors[0].startswith("vendors.painter.preset (line 5): is not a known preset; known are uniall-chat,")


def test_json_is_held_to_the_same_rules_without_lines() -> None:
    assert refusal(
        '{"version":1,"models":[{"id":"a","kind":"image","price":{"per_image":0.1},"targets":[]}]}', language="json"
    ) == [
        "models[0].price.per_image: " + UNQUOTED,
        "models[0].targets: must have at least 1 item after validation, not 0",
    ]


def test_a_vendor_never_shows_its_keys() -> None:
    painter = loaded().catalog.vendors["painter"]
    assert isinstance(painter, Vendor)
    assert painter.api_keys == ("pk-one",)
    assert "pk-one" not in repr(loaded().catalog.vendors)
