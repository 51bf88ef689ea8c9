"""Reference pictures in every form that clients write (contract: inputs; wire-facts 1.4)."""

import base64
from typing import Any

import pytest

from app.core.errors import InvalidRequest
from app.core.image import ImageInput
from app.core.media import Blob, Blobs
from app.wire.references import REFERENCES_MAX, References
from tests.surfaces.answers import PNG, PNG_BASE64

URL = "https://cdn.example/mug.png"
DATA_URI = f"data:image/png;base64,{PNG_BASE64}"


def inputs_of(body: dict[str, Any], blobs: Blobs | None = None) -> tuple[ImageInput, ...]:
    references = References(blobs or Blobs())
    references.add_from(body)
    return references.inputs


def refusal(body: dict[str, Any]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as refused:
        inputs_of(body)
    return refused.value


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"image": URL}, "image"),
        ({"image": [URL]}, "image[0]"),
        ({"image": {"url": URL}}, "image.url"),
        ({"image": {"image_url": URL}}, "image.image_url"),
        ({"image": {"type": "image_url", "image_url": {"url": URL, "detail": "high"}}}, "image.image_url.url"),
        ({"image": [{"url": URL}]}, "image[0].url"),
        ({"images": [URL]}, "images[0]"),
        ({"images": [{"image_url": URL}]}, "images[0].image_url"),
    ],
)
def test_a_url_is_read_in_every_form(body: dict[str, Any], param: str) -> None:
    assert inputs_of(body) == (ImageInput(url=URL, param=param),)


@pytest.mark.parametrize(
    "image",
    [
        DATA_URI,
        DATA_URI.upper()[:5] + DATA_URI[5:],
        f" {DATA_URI}\n",
        f"data:image/jpeg;base64,{PNG_BASE64}",
        f"data:image/png;base64,{PNG_BASE64.rstrip('=')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(PNG).decode()}",
        {"url": DATA_URI},
        {"b64_json": PNG_BASE64},
        {"b64_json": DATA_URI},
    ],
)
def test_bytes_are_read_in_every_form_and_told_by_their_signature(image: Any) -> None:
    (picture,) = inputs_of({"image": image})

    assert picture.url is None
    assert picture.mime == "image/png"
    assert picture.blob is not None
    assert picture.blob.data == PNG


def test_a_picture_that_was_lifted_out_of_the_body_is_found_again() -> None:
    lifted = Blob.of(PNG)
    blobs = Blobs({"blob:n:0": lifted, "blob:n:1": lifted})

    found = inputs_of({"images": ["data:image/png;base64,blob:n:0", {"b64_json": "blob:n:1"}]}, blobs)

    assert [picture.blob for picture in found] == [lifted, lifted]


@pytest.mark.parametrize("empty", [{}, {"image": None}, {"images": []}, {"image": None, "images": [URL]}])
def test_null_and_an_empty_array_are_no_reference(empty: dict[str, Any]) -> None:
    assert len(inputs_of(empty)) == (1 if empty.get("images") else 0)


def test_image_and_images_together_are_refused_naming_both() -> None:
    error = refusal({"image": URL, "images": [URL]})

    assert error.code == "conflicting_parameters"
    assert "'image'" in error.message
    assert "'images'" in error.message


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"image": PNG_BASE64}, "invalid_image_url", "image"),
        ({"image": "mug.png"}, "invalid_image_url", "image"),
        ({"image": "file:///etc/passwd"}, "invalid_image_url", "image"),
        ({"image": "http:///nohost"}, "invalid_image_url", "image"),
        ({"image": "https://a.example/x\ny"}, "invalid_image_url", "image"),
        ({"image": "https://a.example/" + "x" * 9000}, "invalid_image_url", "image"),
        ({"image": 7}, "invalid_image_url", "image"),
        ({"images": [URL, {"image_url": {}}]}, "invalid_image_url", "images[1].image_url"),
        ({"images": [{"detail": "high"}]}, "invalid_image_url", "images[0]"),
        ({"image": {"url": URL, "b64_json": PNG_BASE64}}, "conflicting_parameters", "image"),
        ({"image": {"file_id": "file-1"}}, "unsupported_parameter", "image.file_id"),
        ({"image": "data:image/png;base64,!!!!"}, "invalid_image", "image"),
        ({"image": "data:image/svg+xml,<svg/>"}, "invalid_image", "image"),
        ({"image": {"b64_json": ""}}, "invalid_image", "image.b64_json"),
        ({"image": {"b64_json": base64.b64encode(b"<html>").decode()}}, "invalid_image", "image.b64_json"),
    ],
)
def test_anything_else_is_refused_at_its_exact_place(body: dict[str, Any], code: str, param: str) -> None:
    error = refusal(body)

    assert (error.code, error.param) == (code, param)


def test_a_kind_of_picture_that_is_not_read_is_refused_by_name() -> None:
    heic = base64.b64encode(b"\0\0\0\x18ftypheic" + bytes(20)).decode()

    assert "image/heic" in refusal({"image": {"b64_json": heic}}).message


@pytest.mark.parametrize("urls", [[URL] * 1000, [f"https://cdn.example/{number}.png" for number in range(17)]])
def test_more_than_sixteen_references_are_refused_at_the_seventeenth(urls: list[str]) -> None:
    """B36."""
    error = refusal({"images": urls})

    assert (error.code, error.param) == ("invalid_value", f"images[{REFERENCES_MAX}]")


def test_sixteen_references_pass() -> None:
    assert len(inputs_of({"images": [URL] * REFERENCES_MAX})) == REFERENCES_MAX


def test_unknown_keys_of_a_reference_are_reported() -> None:
    references = References(Blobs())

    references.add_from({"image": {"url": URL, "weight": 2}})

    assert [(item.code, item.param) for item in references.warnings] == [("unknown_parameter", "image.weight")]


@pytest.mark.parametrize("text", [f"draw {DATA_URI} again", f"![x]({DATA_URI})"])
def test_bytes_of_a_picture_in_a_plain_text_are_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        References(Blobs()).plain(text, "prompt")

    assert refused.value.param == "prompt"


@pytest.mark.parametrize(
    "text", ["a cat", "see https://a.example/x.png", "![cat](https://a.example/x.png)", "word " * 99]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert References(Blobs()).plain(text, "prompt") == text
