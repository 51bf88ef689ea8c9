"""The Images API by the contract's own example and by what official SDKs send (wire-facts 1.2-1.6)."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.errors import InvalidRequest, UpstreamTimeout
from app.core.exchange import FilePart
from app.core.image import ImageInput, ImageRequest
from app.core.media import Blob, Blobs
from app.surfaces import openai_images
from tests.surfaces.answers import JPEG, JPEG_BASE64, PNG, PNG_BASE64, answer, sent, without_bytes


def file(name: str, data: bytes = PNG, filename: str = "a.png") -> FilePart:
    return FilePart(name, filename, "application/octet-stream", Blob.of(data))


def test_a_generation_is_read() -> None:
    body = {"model": "nano-banana-pro", "prompt": "a mug", "n": 2, "aspect_ratio": "16:9", "resolution": "2K"}

    request = openai_images.parse(body, Blobs())

    assert (request.model, request.prompt, request.n) == ("nano-banana-pro", "a mug", 2)
    assert (request.aspect_ratio, request.resolution, request.inputs) == ("16:9", "2K", ())
    assert (request.response_format, request.warnings) == ("url", ())


def test_a_generation_with_an_image_is_image_to_image() -> None:
    request = openai_images.parse({"model": "m", "prompt": "p", "image": "https://a.example/x"}, Blobs())

    assert request.inputs == (ImageInput(url="https://a.example/x", param="image"),)


@pytest.mark.parametrize(
    ("body", "usual"),
    [
        ({}, "url"),
        ({"stream": True}, "b64_json"),
        ({"stream": True, "response_format": "url"}, "url"),
        ({"response_format": "b64_json"}, "b64_json"),
    ],
)
def test_pictures_come_by_url_unless_they_are_streamed_or_asked_for(body: dict[str, Any], usual: str) -> None:
    assert openai_images.parse({"model": "m", "prompt": "p", **body}, Blobs()).response_format == usual


@pytest.mark.parametrize("prompt", [5, ["a"], {"text": "a"}])
def test_a_prompt_that_is_no_text_is_refused(prompt: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        openai_images.parse({"model": "m", "prompt": prompt}, Blobs())

    assert refused.value.param == "prompt"


def test_a_json_edit_is_read_as_openai_specifies_it() -> None:
    """Wire-facts 1.4."""
    body = {
        "model": "nano-banana-pro-2k",
        "prompt": "put the mug on a red table",
        "images": [
            {"image_url": "https://cdn.example/mug.png"},
            {"image_url": "data:image/png;base64,iVBORw0KGgo="},
        ],
        "mask": {"image_url": "https://cdn.example/mask.png"},
        "n": 1,
        "output_format": "png",
    }

    request = openai_images.parse_edit(body, Blobs())

    assert request.inputs[0].url == "https://cdn.example/mug.png"
    assert request.inputs[1].mime == "image/png"
    assert request.mask == ImageInput(url="https://cdn.example/mask.png", param="mask.image_url")


@pytest.mark.parametrize(
    "parse",
    [
        lambda: openai_images.parse_edit({"model": "m", "prompt": "p"}, Blobs()),
        lambda: openai_images.parse_edit_form([("model", "m"), ("prompt", "p")], [], Blobs()),
    ],
    ids=["json", "form"],
)
def test_an_edit_without_an_image_is_refused(parse: Callable[[], ImageRequest]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse()

    assert (refused.value.code, refused.value.param) == ("missing_required_parameter", "image")


@pytest.mark.parametrize(
    "names", [["image"], ["image[]", "image[]"], ["images"], ["images[]"], ["image[0]", "image[1]"], ["image_1"]]
)
def test_uploads_are_read_under_every_name(names: list[str]) -> None:
    request = openai_images.parse_edit_form([("model", "m"), ("prompt", "p")], [file(name) for name in names], Blobs())

    assert [picture.param for picture in request.inputs] == names
    assert request.warnings == ()


def test_a_form_is_read_as_the_python_sdk_flattens_it() -> None:
    """Wire-facts 1.3: scalars are texts, nested values are bracketed names."""
    fields = [
        ("model", "m"),
        ("prompt", "2"),
        ("n", "2"),
        ("stream", "true"),
        ("google[image_config][aspect_ratio]", "16:9"),
        ("metadata[order]", "7"),
        ("user", "true"),
    ]

    request = openai_images.parse_edit_form(fields, [file("image"), file("mask")], Blobs())

    assert (request.prompt, request.n, request.stream, request.user) == ("2", 2, True, "true")
    assert (request.aspect_ratio, request.metadata) == ("16:9", {"order": "7"})
    assert request.mask is not None
    assert request.mask.mime == "image/png"


def test_a_form_may_name_pictures_in_text_beside_its_files() -> None:
    fields = [("model", "m"), ("prompt", "p"), ("image[]", "https://a.example/x")]

    request = openai_images.parse_edit_form(fields, [file("image[]", JPEG)], Blobs())

    assert [picture.mime or picture.url for picture in request.inputs] == ["image/jpeg", "https://a.example/x"]


@pytest.mark.parametrize(
    ("fields", "files", "code"),
    [
        ([], [file("image"), file("images[]")], "conflicting_parameters"),
        ([("images", "https://a.example/x")], [file("image")], "conflicting_parameters"),
        ([], [file("image"), file("mask"), file("mask")], "invalid_value"),
        ([], [file("image", b"<html>")], "invalid_image"),
        ([], [file("image", b"")], "invalid_image"),
        ([], [file("image[]")] * 17, "invalid_value"),
        ([("n", "two")], [file("image")], "invalid_value"),
        ([("n", "1"), ("n", "2")], [file("image")], "invalid_value"),
    ],
)
def test_a_form_that_makes_no_sense_is_refused(fields: list[tuple[str, str]], files: list[FilePart], code: str) -> None:
    """B23, B29, B36."""
    with pytest.raises(InvalidRequest) as refused:
        openai_images.parse_edit_form([("model", "m"), ("prompt", "p"), *fields], files, Blobs())

    assert refused.value.code == code


def test_unknown_files_are_reported_and_empty_file_fields_are_nothing() -> None:
    files = [file("image"), file("sketch"), file("mask", b"", filename="")]

    request = openai_images.parse_edit_form([("model", "m"), ("prompt", "p")], files, Blobs())

    assert [item.param for item in request.warnings] == ["sketch"]
    assert request.mask is None


def test_the_answer_is_the_contracts() -> None:
    assert sent(openai_images.render(without_bytes(answer()))) == {
        "created": 1790000000,
        "model": "nano-banana-pro-2k",
        "data": [
            {
                "url": "https://gw.example/v1/media/med_x.png?exp=1&sig=s",
                "revised_prompt": None,
                "mime_type": "image/png",
                "width": 2752,
                "height": 1536,
            }
        ],
        "output_format": "png",
        "size": "2752x1536",
        "usage": {
            "input_tokens": 24,
            "output_tokens": 1120,
            "total_tokens": 1144,
            "input_tokens_details": {"text_tokens": 20, "image_tokens": 4},
        },
        "oneshape": {
            "task_id": "task_1",
            "units": 134000,
            "images_requested": 1,
            "images_delivered": 1,
            "warnings": [],
        },
    }


def test_base64_replaces_the_url_when_asked_for() -> None:
    data = sent(openai_images.render(answer(response_format="b64_json", images=2)))["data"]

    assert [item["b64_json"] for item in data] == [PNG_BASE64, JPEG_BASE64]
    assert not any("url" in item for item in data)


@pytest.mark.parametrize(("edit", "name"), [(False, "image_generation.completed"), (True, "image_edit.completed")])
def test_a_stream_has_one_completed_event_per_picture(edit: bool, name: str) -> None:
    """Wire-facts 1.6: `event` and `type` are the same."""
    events = openai_images.render_stream(answer(response_format="b64_json", images=2), edit=edit)

    assert [event for event, _ in events] == [name, name]
    first, second = (sent(data) for _, data in events)
    assert (first["type"], first["b64_json"], first["output_format"]) == (name, PNG_BASE64, "png")
    assert (second["type"], second["b64_json"], second["output_format"]) == (name, JPEG_BASE64, "jpeg")
    assert first["url"] == "https://gw.example/v1/media/med_x.png?exp=1&sig=s"
    assert (first["size"], first["created_at"]) == ("2752x1536", 1790000000)


def test_the_usage_of_a_stream_adds_up() -> None:
    events = openai_images.render_stream(answer(response_format="b64_json", images=2), edit=False)

    assert sum(data["usage"]["total_tokens"] for _, data in events) == 1144
    assert ["oneshape" in data for _, data in events] == [False, True]


def test_a_stream_by_url_carries_no_base64() -> None:
    ((_, data),) = openai_images.render_stream(without_bytes(answer()), edit=False)

    assert "b64_json" not in sent(data)
    assert sent(data)["url"].startswith("https://gw.example/")


def test_an_error_has_all_four_keys_and_tells_where_a_result_may_appear() -> None:
    error = UpstreamTimeout("It took too long.", task_id="task_1")

    assert openai_images.render_error(error) == {
        "error": {"message": "It took too long.", "type": "upstream_error", "param": None, "code": "upstream_timeout"},
        "oneshape": {"task_id": "task_1"},
    }


def test_an_error_in_a_stream_is_an_event_with_an_error_key() -> None:
    name, data = openai_images.render_stream_error(InvalidRequest("No.", param="n"))

    assert name == "error"
    assert data == {
        "type": "error",
        "error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": "invalid_value"},
    }
