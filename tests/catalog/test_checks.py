"""What the parts of a catalog mean together is checked: names, references, families, kinds, prices and options."""

import pytest

from tests.catalog.support import SMALL, changed, loaded, refusal

TWO_K = """\
  - id: picture-2k
    kind: image
    family: picture
    resolution: 2K
    price: {per_image: "0.07"}
    targets: [{vendor: painter, model: paint-2k}]
families:
"""
WITH_TWO_K = changed("families:\n", TWO_K)


@pytest.mark.parametrize("spelling", ["words", "WORDS", "wo-rds", "w_o_r_d_s", "models/words", "google/Words"])
def test_two_models_may_not_share_a_name_in_any_spelling(spelling: str) -> None:
    errors = refusal(changed("family: picture\n", f"family: picture\n    aliases: [{spelling}]\n"))
    assert errors == ["models[1].id (line 22): 'words' means the same as the name at models[0].aliases[0] (line 16)"]


def test_a_family_may_not_be_called_like_a_model() -> None:
    assert refusal(changed("aliases: [pic]", "aliases: [Picture_1K]")) == [
        "families.picture.aliases[0] (line 27): 'Picture_1K' means the same as the name at models[0].id (line 13)"
    ]


def test_a_model_may_be_called_by_several_spellings_of_its_own_name() -> None:
    text = changed("family: picture\n", "family: picture\n    aliases: [PICTURE_1K, Picture1K]\n")
    assert loaded(text).catalog.models["picture-1k"].aliases == ("PICTURE_1K", "Picture1K")


def test_a_target_names_a_vendor_of_the_catalog() -> None:
    assert refusal(changed("vendor: painter", "vendor: nobody")) == [
        "models[0].targets[0].vendor (line 20): 'nobody' is not in vendors"
    ]


def test_members_of_a_family_have_distinct_resolutions() -> None:
    errors = refusal(changed("resolution: 2K", "resolution: 1K", text=WITH_TWO_K))
    assert errors == ["models[2].resolution (line 29): picture has 1K already, at models[0] (line 13)"]


def test_a_member_of_a_family_has_a_resolution() -> None:
    assert "models[2] (line 26): a member of a family needs a resolution" in refusal(
        changed("    resolution: 2K\n", "", text=WITH_TWO_K)
    )


def test_a_family_is_declared() -> None:
    assert "models[0].family (line 15): 'pictures' is not in families" in refusal(
        changed("family: picture\n", "family: pictures\n")
    )


@pytest.mark.parametrize("name", ["nothing", "words", "pic"])
def test_the_default_of_a_family_is_one_of_its_members(name: str) -> None:
    assert refusal(changed("default: picture-1k", f"default: {name}")) == [
        f"families.picture.default (line 27): {name!r} is not a model of this family"
    ]


def test_a_target_that_is_told_a_resolution_is_told_the_models_own() -> None:
    assert refusal(changed("paint-1k}", "paint-1k, resolution: 4K}")) == [
        "models[0].targets[0].resolution (line 20): must be the model's own, 1K"
    ]


def test_the_same_target_twice_is_refused() -> None:
    assert refusal(
        changed("model: paint-1k}", "model: paint-1k}\n      - {vendor: painter, model: paint-1k, priority: 2}")
    ) == ["models[0].targets[1] (line 21): is the same as targets[0]; use its weight instead"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            "vendor: talker",
            "vendor: painter",
            "models[1].targets[0].vendor (line 25): speaks openai_images, which does not serve chat models",
        ),
        (
            "vendor: painter",
            "vendor: talker",
            "models[0].targets[0].vendor (line 20): speaks openai_chat, which does not serve image models",
        ),
        ("kind: chat", "kind: chat\n    mask: false", "models[1].mask (line 23): is only for image models"),
        ("kind: chat", "kind: chat\n    max_n: 2", "models[1].max_n (line 23): is only for image models"),
        (
            "kind: image",
            "kind: image\n    max_output_tokens: 9",
            "models[0].max_output_tokens (line 15): is only for chat models",
        ),
        (
            "talk-small}",
            "talk-small, resolution: 1K}",
            "models[1].targets[0].resolution (line 25): is only for image models",
        ),
        (
            '{per_image: "0.05"}',
            "{}",
            'models[0].price (line 18): an image model needs per_image ("0" when it is free)',
        ),
        (
            '{per_image: "0.05"}',
            '{per_request: "1"}',
            "models[0].price.per_request (line 18): is not a price of image models",
        ),
        (', per_1m_output_tokens: "0.60"}', "}", "models[1].price (line 23): a chat model needs per_1m_output_tokens"),
        (
            ', per_1m_output_tokens: "0.60"}',
            ', per_request: "1"}',
            "models[1].price (line 23): a chat model needs per_1m_output_tokens",
        ),
        (
            ', per_1m_output_tokens: "0.60"}',
            ', per_image: "1"}',
            "models[1].price.per_image (line 23): is not a price of chat models",
        ),
        (
            "talk-small}",
            'talk-small, cost: {per_image: "1"}}',
            "models[1].targets[0].cost.per_image (line 25): is not a price of chat models",
        ),
    ],
)
def test_fields_and_prices_fit_the_models_kind(before: str, after: str, told: str) -> None:
    errors = refusal(changed(before, after))
    assert any(error.startswith(told) for error in errors), errors


def test_a_chat_model_may_be_priced_by_the_request_alone() -> None:
    text = changed('{per_1m_input_tokens: "0.15", per_1m_output_tokens: "0.60"}', '{per_request: "0.01"}')
    assert loaded(text).catalog.models["words"].price.per_request == 10_000


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("no_such: 1", "is not an option of openai_images; known are "),
        ("edits: uploads", "must be one of 'multipart', 'generations'"),
        ("edits: true", "must be one of 'multipart', 'generations'"),
        ("output_format: 1", "must be one of 'auto', true, false"),
        ("generations_path: 7", "must be of the same type as its default"),
        ("images_per_call: true", "must be of the same type as its default"),
    ],
)
def test_a_vendors_options_are_its_dialects(option: str, told: str) -> None:
    name = option.split(":")[0]
    errors = refusal(changed("api_keys: [pk-one]", f"options: {{{option}}}"))
    assert len(errors) == 1
    assert errors[0].startswith(f"vendors.painter.options.{name} (line 7): {told}")


def test_the_dialect_of_text_has_its_own_options() -> None:
    (error,) = refusal(changed("api_keys: [tk-one]", "options: {stream: true, stream_usage: false}"))
    assert error.startswith("vendors.talker.options.stream (line 11): is not an option of openai_chat")
    assert "stream_usage" in error


def test_options_that_are_not_said_have_their_defaults() -> None:
    options = loaded(changed("api_keys: [pk-one]", "options: {edits: generations}")).catalog.vendors["painter"].options
    assert (options["edits"], options["aspect_ratio"]) == ("generations", "size")


def test_a_picture_that_costs_more_than_it_is_sold_for_is_warned_of() -> None:
    warnings = loaded(changed("paint-1k}", 'paint-1k, cost: {per_image: "0.06"}}')).warnings
    assert [str(warning) for warning in warnings] == [
        "models[0].targets[0].cost (line 20): a picture costs more here than it is sold for"
    ]


def test_the_small_catalog_itself_says_nothing() -> None:
    assert loaded(SMALL).warnings == ()
