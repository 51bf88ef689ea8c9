"""The contract's table "Image request fields": one meaning for every accepted spelling and place."""

from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.core.image import ImageRequest
from app.core.shape import Size
from app.wire.fields import read_image_fields
from app.wire.said import WARNINGS_MAX


def read(**body: Any) -> ImageRequest:
    return read_image_fields({"model": "m", **body}, shows_partials=True)


def refusal(body: dict[str, Any], *, as_text: bool = False) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        read_image_fields({"model": "m", **body}, as_text=as_text)
    return refused.value


RATIO_PLACES: list[dict[str, Any]] = [
    {"aspect_ratio": "16:9"},
    {"aspectRatio": "16:9"},
    {"--aspect_ratio": "16:9"},
    {"extra_body": {"google": {"image_config": {"aspect_ratio": "16:9"}}}},
    {"extra_body": {"google": {"imageConfig": {"aspectRatio": "16:9"}}}},
    {"extra_body": {"aspect_ratio": "16:9"}},
    {"extra_body": {"image_config": {"aspect_ratio": "16:9"}}},
    {"extra_body": {"generationConfig": {"imageConfig": {"aspectRatio": "16:9"}}}},
    {"google": {"image_config": {"aspect_ratio": "16:9"}}},
    {"image_config": {"aspect_ratio": "16:9"}},
    {"imageConfig": {"aspectRatio": "16:9"}},
    {"generation_config": {"image_config": {"aspect_ratio": "16:9"}}},
    {"generationConfig": {"imageConfig": {"aspectRatio": "16:9"}}},
    {"generationConfig": {"responseFormat": [{"image": {"aspectRatio": "ASPECT_RATIO_SIXTEEN_BY_NINE"}}]}},
]


@pytest.mark.parametrize("body", RATIO_PLACES)
def test_an_aspect_ratio_is_read_in_every_place(body: dict[str, Any]) -> None:
    request = read(**body)

    assert request.aspect_ratio == "16:9"
    assert request.warnings == ()


@pytest.mark.parametrize("body", RATIO_PLACES)
def test_a_resolution_is_read_beside_the_aspect_ratio_in_every_place(body: dict[str, Any]) -> None:
    def beside(value: Any) -> Any:
        if isinstance(value, list):
            return [beside(item) for item in value]
        if not isinstance(value, dict):
            return value
        name = "imageSize" if "aspectRatio" in value else "image_size"
        has_ratio = any("ratio" in key.lower() for key in value)
        return {key: beside(item) for key, item in value.items()} | ({name: "2k"} if has_ratio else {})

    request = read(**beside(body))

    assert request.resolution == "2K"
    assert request.warnings == ()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"resolution": "512"}, "0.5K"),
        ({"image_size": "0.5k"}, "0.5K"),
        ({"resolution": "4K"}, "4K"),
        ({"image_config": {"image_size": "IMAGE_SIZE_FIVE_TWELVE"}}, "0.5K"),
        ({"image_config": {"image_size": "IMAGE_SIZE_TWO_K"}}, "2K"),
        ({"image_config": {"image_size": "IMAGE_SIZE_UNSPECIFIED"}}, None),
    ],
)
def test_a_resolution_is_understood_however_it_is_written(said: dict[str, Any], meant: str | None) -> None:
    assert read(**said).resolution == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({"output_format": "jpg"}, "jpeg"),
        ({"--output_format": "webp"}, "webp"),
        ({"output_format": "PNG"}, "png"),
        ({"generationConfig": {"imageConfig": {"outputMimeType": "image/jpeg"}}}, "jpeg"),
        ({"generationConfig": {"imageConfig": {"imageOutputOptions": {"mimeType": "image/png"}}}}, "png"),
        ({"generationConfig": {"imageConfig": {"outputFormat": "jpeg"}}}, "jpeg"),
    ],
)
def test_an_output_format_is_understood_however_it_is_written(said: dict[str, Any], meant: str) -> None:
    assert read(**said).output_format == meant


def test_everything_else_is_read_as_openai_has_it() -> None:
    request = read(
        n=3,
        size="1536x1024",
        output_compression=80,
        response_format="b64_json",
        task_type="image2image",
        stream=True,
        partial_images=2,
        metadata={"order": "7"},
        user="u-1",
        quality="high",
        background="opaque",
        style="vivid",
        moderation="low",
        seed=7,
        input_fidelity="high",
        safety_identifier="s",
    )

    assert (request.n, request.size, request.output_compression) == (3, Size(1536, 1024), 80)
    assert (request.response_format, request.task_type) == ("b64_json", "image2image")
    assert (request.stream, request.partial_images) == (True, 2)
    assert (request.metadata, request.user) == ({"order": "7"}, "u-1")
    assert request.options == {
        "quality": "high",
        "background": "opaque",
        "style": "vivid",
        "moderation": "low",
        "seed": 7,
        "input_fidelity": "high",
        "safety_identifier": "s",
    }
    assert request.warnings == ()


def test_null_is_nothing_said() -> None:
    names = ("n", "size", "aspect_ratio", "stream", "seed", "metadata", "extra_body", "google", "made_up")

    assert read(**dict.fromkeys(names)) == read()


def test_size_auto_is_nothing_said() -> None:
    assert read(size="auto").size is None


@pytest.mark.parametrize("count", [True, "1", 1.5, [], {}, "", float("inf")])
def test_n_that_is_no_whole_number_is_refused(count: Any) -> None:
    """B23."""
    error = refusal({"n": count})

    assert (error.code, error.param) == ("invalid_value", "n")


def test_n_written_as_1_0_passes() -> None:
    """B23."""
    count = read(n=1.0).n

    assert (count, type(count)) == (1, int)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"aspect_ratio": 1.5}, "aspect_ratio"),
        ({"google": {"image_config": {"aspectRatio": []}}}, "google.image_config.aspectRatio"),
        ({"extra_body": "junk"}, "extra_body"),
        ({"extra_body": {"google": [1]}}, "extra_body.google"),
        ({"generationConfig": {"responseFormat": ["junk"]}}, "generationConfig.responseFormat[0]"),
        ({"image_config": {"image_size": "8K"}}, "image_config.image_size"),
        ({"size": "big"}, "size"),
        ({"output_format": "svg"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"partial_images": 4}, "partial_images"),
        ({"response_format": "file"}, "response_format"),
        ({"task_type": "text"}, "task_type"),
        ({"stream": "yes"}, "stream"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(key): "" for key in range(17)}}, "metadata"),
        ({"user": 5}, "user"),
        ({"seed": "7"}, "seed"),
        ({"quality": {"high": True}}, "quality"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_at_its_place(body: dict[str, Any], param: str) -> None:
    """B27, B32."""
    error = refusal(body)

    assert (error.code, error.param) == ("invalid_value", param)
    assert param in error.message


@pytest.mark.parametrize("model", [None, "", "  "])
def test_a_model_is_required(model: str | None) -> None:
    error = refusal({"model": model})

    assert (error.code, error.param) == ("missing_required_parameter", "model")


@pytest.mark.parametrize("place", RATIO_PLACES[1:])
def test_two_places_that_disagree_are_refused_naming_both(place: dict[str, Any]) -> None:
    """B28."""
    error = refusal({"aspect_ratio": "1:1", **place})

    assert (error.code, error.param) == ("conflicting_parameters", "aspect_ratio")
    assert "'aspect_ratio' says '1:1'" in error.message
    assert "says '16:9'" in error.message


def test_two_spellings_of_one_value_agree() -> None:
    request = read(resolution="512", image_size="0.5K", output_format="jpg", **{"--output_format": "jpeg"})

    assert (request.resolution, request.output_format) == ("0.5K", "jpeg")


def test_unknown_keys_are_reported_wherever_they_are() -> None:
    """B27."""
    request = read(colour="red", extra_body={"tone": 1, "google": {"image_config": {"glow": 2}}})

    assert [(item.code, item.param) for item in request.warnings] == [
        ("unknown_parameter", "colour"),
        ("unknown_parameter", "extra_body.tone"),
        ("unknown_parameter", "extra_body.google.image_config.glow"),
    ]


def test_known_keys_that_mean_nothing_for_pictures_are_reported_as_ignored() -> None:
    request = read(generationConfig={"temperature": 1, "responseModalities": ["IMAGE"]})

    assert [(item.code, item.param) for item in request.warnings] == [("ignored", "generationConfig.temperature")]


def test_reserved_words_steer_nothing_and_are_reported() -> None:
    """B26."""
    words = ["__proto__", "__class__", "api_base", "base_url", "headers", "callbacks", "webhook", "mock_response"]
    steered = read(**dict.fromkeys(words, "http://evil.example"), extra_body={"api_base": "http://evil.example"})
    plain = read()

    assert [item.param for item in steered.warnings] == [*words, "extra_body.api_base"]
    assert {name: getattr(steered, name) for name in ImageRequest.__slots__ if name != "warnings"} == {
        name: getattr(plain, name) for name in ImageRequest.__slots__ if name != "warnings"
    }


def test_a_body_full_of_unknown_keys_is_reported_briefly() -> None:
    """B20, B27."""
    warnings = read(**{f"{'k' * 5000}{number}": 1 for number in range(1000)}).warnings

    assert len(warnings) == WARNINGS_MAX + 1
    assert f"{1000 - WARNINGS_MAX} more" in warnings[-1].message
    assert all(len(item.message) < 200 for item in warnings)


def test_a_deep_extra_body_is_not_descended_into() -> None:
    """B27."""
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"extra_body": deep}

    assert [item.param for item in read(**deep).warnings] == ["extra_body.extra_body"]


def test_a_value_is_not_repeated_at_length_in_a_message() -> None:
    error = refusal({"size": "x" * 100_000})

    assert len(error.message) < 300


@pytest.mark.parametrize(("text", "count"), [("2", 2), ("-1", -1)])
def test_forms_write_numbers_as_text(text: str, count: int) -> None:
    request = read_image_fields({"model": "m", "n": text, "stream": "true"}, as_text=True)

    assert (request.n, request.stream) == (count, True)


@pytest.mark.parametrize("text", ["", "1.5", "two", "٣", "1" * 5000, " 1"])
def test_forms_with_other_text_for_a_number_are_refused(text: str) -> None:
    """B23."""
    assert refusal({"n": text}, as_text=True).param == "n"
